//! The examples of RFC 7541 appendix C, and what the RFC has no example for.

use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| *b != b' ').collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

/// What a block gives, a line a field.
fn fields(decoder: &mut Decoder, block: &[u8]) -> (String, Result<Summary, Error>) {
    let mut told = Vec::new();
    let text = |part: Option<&[u8]>| part.map_or("?".into(), |p| String::from_utf8_lossy(p).into_owned());
    let summary = decoder.decode(block, |field| {
        told.push(format!("{}: {}", text(field.name), text(field.value)));
    });
    (told.join("\n"), summary)
}

#[track_caller]
fn check(decoder: &mut Decoder, hex: &str, expected: &[&str]) {
    let (told, summary) = fields(decoder, &bytes(hex));
    assert_eq!(told, expected.join("\n"));
    assert!(summary.is_ok(), "{summary:?}");
}

#[test]
fn single_fields() {
    let mut d = Decoder::default();
    // C.2.1 to C.2.4
    check(
        &mut d,
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        &["custom-key: custom-header"],
    );
    check(&mut d, "040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"]);
    check(
        &mut d,
        "1008 7061 7373 776f 7264 0673 6563 7265 74",
        &["password: secret"],
    );
    check(&mut d, "82", &[":method: GET"]);
    check(&mut d, "be", &["custom-key: custom-header"]);
}

const REQUESTS: [&[&str]; 3] = [
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

#[test]
fn requests_without_huffman() {
    // C.3
    let mut d = Decoder::default();
    check(&mut d, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0]);
    check(&mut d, "8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1]);
    check(
        &mut d,
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        REQUESTS[2],
    );
}

#[test]
fn requests_with_huffman() {
    // C.4
    let mut d = Decoder::default();
    check(&mut d, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0]);
    check(&mut d, "8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1]);
    check(
        &mut d,
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        REQUESTS[2],
    );
}

const RESPONSES: [&[&str]; 3] = [
    &[
        ":status: 302",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ],
    &[
        ":status: 307",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ],
    &[
        ":status: 200",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ],
];

#[test]
fn responses_that_evict() {
    // C.6, where the table holds 256 bytes.
    let mut d = Decoder::default();
    d.table.set_max(256);
    check(
        &mut d,
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 \
         63c7 8f0b 97c8 e9ae 82ae 43d3",
        RESPONSES[0],
    );
    check(&mut d, "4883 640e ffc1 c0bf", RESPONSES[1]);
    check(
        &mut d,
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 \
         b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        RESPONSES[2],
    );
}

#[test]
fn unseen_entries_are_unknown_and_never_others() {
    let mut d = Decoder::default();
    check(&mut d, "4003 6162 6301 78", &["abc: x"]);
    d.forget();
    // What was there is void; what comes has its place.
    check(
        &mut d,
        "82 be 4003 6465 6601 79 be bf",
        &[":method: GET", "?: ?", "def: y", "def: y", "?: ?"],
    );
    // A literal whose name is unknown keeps its value, in the table too.
    check(&mut d, "7f04 017a be bf", &["?: z", "?: z", "def: y"]);
    let (_, summary) = fields(&mut d, &bytes("ff ff 01"));
    assert!(summary.expect("an unseen entry").unknown);
}

#[test]
fn tells_what_is_wrong() {
    #[track_caller]
    fn wrong(hex: &str, error: Error) {
        assert_eq!(fields(&mut Decoder::default(), &bytes(hex)).1, Err(error));
    }
    wrong("be", Error::Index);
    wrong("80", Error::Index);
    wrong("8220", Error::LateResize);
    wrong("0005 61", Error::Cut);
    wrong("ffff ffff ffff 7f", Error::Number);
    wrong("7f", Error::Cut);
    wrong("0081 0000", Error::Huffman);
}

#[test]
fn bombs_are_bounded() {
    let mut d = Decoder::default();
    let mut block = vec![0x40, 1, b'a', 0x7f, 0x80 + 0x51, 0x1e];
    block.extend(vec![b'x'; 0xfd0]);
    block.extend(vec![0xbe; 60_000]);
    let mut told = 0;
    let summary = d.decode(&block, |field| told += field.value.map_or(0, <[u8]>::len));
    let summary = summary.expect("a block by the grammar");
    assert!(summary.over_bound && told <= MAX_LIST, "{summary:?} {told}");
    assert_eq!(summary.fields, 60_001);
}

proptest! {
    #[test]
    fn any_bytes(blocks: Vec<Vec<u8>>, late: bool) {
        let mut d = Decoder::new(!late);
        for block in blocks {
            let _ = fields(&mut d, &block);
        }
    }
}
