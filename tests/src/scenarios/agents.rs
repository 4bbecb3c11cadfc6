//! Programs that ask: what they call themselves, and how they write their requests.

use std::sync::Arc;

use super::chance::Chance;

/// A program in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its `User-Agent`; empty where it sends none.
    pub user_agent: String,
    /// Its fields in its order, and what goes there.
    pub order: &'static [(&'static str, Slot)],
}

/// What a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Name of the server.
    Host,
    /// Name of the program.
    Agent,
    /// Always this.
    Is(&'static str),
    /// Here go the fields of the request itself; the name does not count.
    Request,
}

use Slot::{Agent as Name, Host, Is, Request as Here};

const CHROME: &[(&str, Slot)] = &[
    ("Host", Host),
    ("Connection", Is("keep-alive")),
    ("sec-ch-ua-mobile", Is("?0")),
    ("User-Agent", Name),
    ("Accept", Is("application/json, text/plain, */*")),
    ("", Here),
    ("Sec-Fetch-Site", Is("same-origin")),
    ("Sec-Fetch-Mode", Is("cors")),
    ("Accept-Encoding", Is("gzip, deflate, br")),
    ("Accept-Language", Is("de-DE,de;q=0.9,en;q=0.8")),
];
const FIREFOX: &[(&str, Slot)] = &[
    ("Host", Host),
    ("User-Agent", Name),
    ("Accept", Is("application/json, text/plain, */*")),
    ("Accept-Language", Is("en-US,en;q=0.5")),
    ("Accept-Encoding", Is("gzip, deflate, br, zstd")),
    ("", Here),
    ("Connection", Is("keep-alive")),
    ("Sec-Fetch-Mode", Is("cors")),
];
const SAFARI: &[(&str, Slot)] = &[
    ("Host", Host),
    ("Accept", Is("application/json, text/plain, */*")),
    ("", Here),
    ("Accept-Language", Is("en-GB,en;q=0.9")),
    ("Accept-Encoding", Is("gzip, deflate, br")),
    ("User-Agent", Name),
    ("Connection", Is("keep-alive")),
];
const ANDROID_APP: &[(&str, Slot)] = &[
    ("", Here),
    ("User-Agent", Name),
    ("Host", Host),
    ("Connection", Is("Keep-Alive")),
    ("Accept-Encoding", Is("gzip")),
];
const IOS_APP: &[(&str, Slot)] = &[
    ("Host", Host),
    ("Accept", Is("*/*")),
    ("", Here),
    ("User-Agent", Name),
    ("Accept-Language", Is("de-DE,de;q=0.9")),
    ("Accept-Encoding", Is("gzip, deflate, br")),
    ("Connection", Is("keep-alive")),
];
const PYTHON: &[(&str, Slot)] = &[
    ("Host", Host),
    ("User-Agent", Name),
    ("Accept-Encoding", Is("gzip, deflate")),
    ("Accept", Is("*/*")),
    ("Connection", Is("keep-alive")),
    ("", Here),
];
const CURL: &[(&str, Slot)] = &[("Host", Host), ("User-Agent", Name), ("Accept", Is("*/*")), ("", Here)];
const GO: &[(&str, Slot)] = &[
    ("Host", Host),
    ("User-Agent", Name),
    ("", Here),
    ("Accept-Encoding", Is("gzip")),
];
const JAVA: &[(&str, Slot)] = &[
    ("", Here),
    ("User-Agent", Name),
    ("Host", Host),
    ("Accept", Is("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2")),
    ("Connection", Is("keep-alive")),
];
const CRAWLER: &[(&str, Slot)] = &[
    ("Host", Host),
    ("Connection", Is("keep-alive")),
    ("Accept", Is("text/html,application/xhtml+xml,*/*;q=0.8")),
    ("From", Is("crawler(at)search.example")),
    ("User-Agent", Name),
    ("Accept-Encoding", Is("gzip, deflate, br")),
    ("", Here),
];
const BALANCER: &[(&str, Slot)] = &[
    ("Host", Host),
    ("Connection", Is("close")),
    ("User-Agent", Name),
    ("Accept-Encoding", Is("gzip, compressed")),
];
const OLD: &[(&str, Slot)] = &[
    ("HOST", Host),
    ("user-agent", Name),
    ("ACCEPT", Is("*/*")),
    ("", Here),
    ("pragma", Is("no-cache")),
];
const GATEWAY: &[(&str, Slot)] = &[
    ("Host", Host),
    ("", Here),
    ("User-Agent", Name),
    ("Accept", Is("application/json")),
    ("X-Request-Origin", Is("gateway")),
];
const BOT: &[(&str, Slot)] = &[
    ("User-Agent", Name),
    ("Accept", Is("*/*")),
    ("", Here),
    ("Cache-Control", Is("no-cache")),
    ("Host", Host),
    ("Connection", Is("close")),
    ("DNT", Is("1")),
];

impl Agent {
    /// Whether it wants no second request on a connection.
    pub fn closes(&self) -> bool {
        self.order.contains(&("Connection", Is("close")))
    }
}

fn agent(user_agent: impl Into<String>, order: &'static [(&'static str, Slot)]) -> Arc<Agent> {
    Arc::new(Agent {
        user_agent: user_agent.into(),
        order,
    })
}

impl Agent {
    /// Whether it writes as browsers do.
    pub fn is_browser(&self) -> bool {
        [CHROME, FIREFOX, SAFARI].contains(&self.order)
    }
}

/// What a browser calls itself: one of those that are about, in one of a few versions.
pub fn browser_name(chance: &mut Chance) -> String {
    let system = *chance.pick(&[
        "Windows NT 10.0; Win64; x64",
        "Windows NT 10.0; Win64; x64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
    ]);
    let version = chance.between(136, 139);
    match chance.below(10) {
        0..6 => format!(
            "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
        ),
        6 => format!(
            "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36 Edg/{version}.0.0.0"
        ),
        7 => format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} Safari/605.1.15",
            chance.below(5)
        ),
        _ => format!("Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
    }
}

/// A browser that writes as it should.
pub fn browser(chance: &mut Chance) -> Arc<Agent> {
    named(&browser_name(chance))
}

/// The browser that calls itself so.
pub fn named(name: &str) -> Arc<Agent> {
    let order = if name.contains("Firefox") {
        FIREFOX
    } else if name.contains("Chrome") {
        CHROME
    } else {
        SAFARI
    };
    agent(name, order)
}

/// The same browser after an update.
pub fn updated(browser: &Agent) -> Arc<Agent> {
    let mut name = browser.user_agent.clone();
    for version in (136..140).rev() {
        name = name.replace(&format!("{version}.0"), &format!("{}.0", version + 1));
    }
    agent(name, browser.order)
}

/// The shop's own app, in its release of this number.
pub fn app(release: u64, chance: &mut Chance) -> Arc<Agent> {
    if chance.is(0.55) {
        let phone = *chance.pick(&["Pixel 8", "SM-S921B", "SM-A546B", "Redmi Note 13"]);
        let android = chance.between(13, 15);
        agent(
            format!("ShopApp/5.{release}.0 (Android {android}; {phone}) okhttp/4.12.0"),
            ANDROID_APP,
        )
    } else {
        let darwin = *chance.pick(&["23.6.0", "24.4.0", "24.5.0"]);
        agent(
            format!("ShopApp/5.{release}.0 CFNetwork/1568.200.51 Darwin/{darwin}"),
            IOS_APP,
        )
    }
}

/// A partner's program.
pub fn library(number: u64) -> Arc<Agent> {
    match number % 5 {
        0 => agent("python-requests/2.32.3", PYTHON),
        1 => agent("Go-http-client/1.1", GO),
        2 => agent("Java/17.0.11", JAVA),
        3 => agent("curl/8.7.1", CURL),
        _ => agent("okhttp/4.12.0", ANDROID_APP),
    }
}

/// A crawler of a search engine.
pub fn crawler() -> Arc<Agent> {
    agent(
        "Mozilla/5.0 (compatible; Searchbot/2.1; +http://search.example/bot.html)",
        CRAWLER,
    )
}

/// A load balancer that asks whether we are well.
pub fn balancer() -> Arc<Agent> {
    agent("ELB-HealthChecker/2.0", BALANCER)
}

/// A client of another age.
pub fn old() -> Arc<Agent> {
    agent("TillPrinter/1.3 (WinCE)", OLD)
}

/// A payment provider's webhooks.
pub fn webhooks() -> Arc<Agent> {
    agent("LedgerPayments-Hooks/1.0", GATEWAY)
}

/// Python that calls itself whatever it likes.
pub fn python_as(name: &str) -> Arc<Agent> {
    agent(name, PYTHON)
}

/// A tool of attackers that calls itself whatever it likes: nothing else writes like it.
pub fn bot_as(name: &str) -> Arc<Agent> {
    agent(name, BOT)
}
