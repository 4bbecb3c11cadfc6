//! Looks at a daemon that is made up, on a terminal that is.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::look::Look;
use super::screen;
use super::state::{Pane, Todo, Top};
use crate::control::rows::Endpoint;
use crate::control::shape::{CpuBudget, Status};
use crate::record::Body;
use crate::sinks::json::examples::{self, START};
use crate::sinks::json::{Flow, Incident, Line, RecordType, Stats, Text, Time};

/// What a daemon says that has served so many requests and whose flows have sent so many bytes.
fn look(requests: u64, sent: u64) -> Look {
    let stats = examples::stats();
    let mut stats = Stats::from(&stats);
    stats.http.transactions = requests;
    stats.events.received = 10 * requests;
    stats.cpu_ms = Some(requests / 10);
    let endpoint = |name: &'static str, requests: u64, failed: u64| Endpoint {
        endpoint: Text::Borrowed(name),
        documented: None,
        requests,
        refused: 0,
        client_errors: 0,
        server_errors: failed,
        incomplete: 0,
        logins_succeeded: 0,
        logins_failed: 0,
        received_bytes: 0,
        sent_bytes: 0,
        latency_p50_us: Some(1_500),
        latency_p95_us: None,
        latency_p99_us: Some(20_000),
        first_seen: Time(START),
        last_seen: Time(START),
    };
    let mut flows = Vec::new();
    let mut incidents = Vec::new();
    for record in examples::every() {
        match record.body {
            Body::Flow(flow) => {
                let mut flow = Flow::from(&*flow);
                flow.bytes_sent = sent;
                flow.bytes_received = 0;
                flow.duration_ms = 90_000;
                flows.push(again(RecordType::Flow, flow));
            }
            Body::Incident(incident) => {
                incidents.push(again(RecordType::Incident, Incident::from(&*incident)));
            }
            Body::Http(_) | Body::Dns(_) | Body::Tls(_) | Body::Alert(_) | Body::Stats(_) => {}
        }
    }
    Look {
        status: Status {
            version: Text::Borrowed("0.1.0"),
            pid: 7,
            host: Some(Text::Borrowed("api-1")),
            started: Time(START),
            uptime_s: 100,
            stats: owned(&stats),
            capture: Vec::new(),
            confinement: Vec::new(),
            budget: Vec::new(),
            cpu_budget: Some(CpuBudget {
                percent: 5.0,
                read_percent: 100.0,
            }),
            expected: Vec::new(),
            outputs: Vec::new(),
        },
        incidents,
        endpoints: vec![
            endpoint("GET /quiet", 500, 0),
            endpoint("GET /orders/{id}", requests, requests / 10),
            endpoint("GET /\u{1b}[2Jevil", 1, 0),
        ],
        flows,
    }
}

/// As it comes over the socket.
fn again<A: serde::Serialize, B: serde::de::DeserializeOwned>(kind: RecordType, body: A) -> Line<'static, B> {
    owned(&Line::new(kind, START, Some("api-1"), body))
}

fn owned<T: serde::Serialize, U: serde::de::DeserializeOwned>(value: &T) -> U {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

fn shown(top: &Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, top)).unwrap();
    terminal.backend().to_string()
}

fn press(top: &mut Top, code: KeyCode) -> Todo {
    top.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn seen_twice() -> Top {
    let mut top = Top::default();
    top.see(Duration::from_secs(1), &look(1_000, 5_000));
    top.see(Duration::from_secs(3), &look(1_400, 205_000));
    top
}

#[test]
fn two_looks_give_rates() {
    insta::assert_snapshot!(shown(&seen_twice(), 120, 30));
}

#[test]
fn the_first_look_gives_what_is_known_without_another() {
    let mut top = Top::default();
    top.see(Duration::from_secs(1), &look(1_000, 5_000));
    let text = shown(&top, 120, 30);
    assert!(
        text.contains("GET /orders/{id}") && !text.contains("requests/s"),
        "{text}"
    );
}

#[test]
fn a_small_terminal_shows_the_chosen_pane() {
    let mut top = seen_twice();
    press(&mut top, KeyCode::Tab);
    let text = shown(&top, 60, 12);
    assert!(
        text.contains("▸ Busiest endpoints") && !text.contains("Flows:"),
        "{text}"
    );
    // Too small for anything: nothing is drawn, and nothing breaks.
    for (width, height) in [(1, 1), (5, 2), (20, 5)] {
        top.help = true;
        top.paused = true;
        shown(&top, width, height);
    }
}

#[test]
fn keys_choose_move_pause_and_quit() {
    let mut top = seen_twice();
    for pane in [Pane::Endpoints, Pane::Flows, Pane::Incidents] {
        assert_eq!(press(&mut top, KeyCode::Tab), Todo::Nothing);
        assert_eq!(top.pane, pane);
    }
    press(&mut top, KeyCode::Left);
    assert_eq!(top.pane, Pane::Flows);
    press(&mut top, KeyCode::Left);
    for above in [1, 2, 2] {
        press(&mut top, KeyCode::Down);
        assert_eq!(top.above, above, "three endpoints");
    }
    press(&mut top, KeyCode::Up);
    assert_eq!(top.above, 1);
    press(&mut top, KeyCode::Char('p'));
    assert!(top.is_paused() && shown(&top, 80, 24).contains("paused"));
    press(&mut top, KeyCode::Char('?'));
    assert!(shown(&top, 80, 24).contains("choose a pane"));
    assert_eq!(press(&mut top, KeyCode::Esc), Todo::Nothing, "leaves the help");
    assert_eq!(press(&mut top, KeyCode::Char('q')), Todo::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(top.key(interrupt), Todo::Quit);
}

#[test]
fn a_daemon_that_has_gone_leaves_what_was_seen() {
    let mut top = seen_twice();
    top.fail("no daemon answers at /run/x");
    let text = shown(&top, 120, 30);
    assert!(text.contains("no daemon answers at /run/x; trying again"), "{text}");
    assert!(text.contains("GET /orders/{id}"), "{text}");
    // Another daemon, whose counts are lower: no rates below zero, and none against the old one's.
    top.see(Duration::from_secs(9), &look(10, 10));
    let text = shown(&top, 120, 30);
    assert!(!text.contains("trying again") && !text.contains("requests/s"), "{text}");
    top.see(Duration::from_secs(10), &look(20, 10));
    assert!(
        shown(&top, 120, 30).contains("10 requests/s"),
        "{}",
        shown(&top, 120, 30)
    );
}

#[test]
fn a_budget_that_is_used_up_and_losses_are_told() {
    let mut top = Top::default();
    let mut look = look(1_000, 0);
    look.status.cpu_budget = Some(CpuBudget {
        percent: 5.0,
        read_percent: 12.5,
    });
    look.status
        .stats
        .events
        .lost
        .insert(Text::Borrowed("payload_ring_full"), 7);
    top.see(Duration::from_secs(1), &look);
    let text = shown(&top, 120, 30);
    assert!(text.contains("used up: 12.5 % of connections are read"), "{text}");
    assert!(text.contains("payload_ring_full 7"), "{text}");
}

#[test]
fn nothing_captured_reaches_the_terminal_as_a_control() {
    let text = shown(&seen_twice(), 120, 30);
    assert!(
        text.contains(r"GET /\u{1b}[2Jevil") && !text.contains('\u{1b}'),
        "{text}"
    );
}
