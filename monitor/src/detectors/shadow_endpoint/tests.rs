//! Endpoints outside the documents, and what only looks like one.

use std::time::Duration;

use super::*;
use crate::observation::made::{Made, World, request};

fn world() -> World<ShadowEndpoint> {
    World::new("[learning]\nperiod = \"0s\"\n", ShadowEndpoint::new)
}

fn asked(endpoint: &str, status: u16, documented: Option<bool>, content_type: &str) -> Made {
    let mut made = request("198.51.100.7", endpoint, status);
    made.0.request.as_mut().unwrap().documented = documented;
    if let Some(response) = &mut made.0.response {
        response.content_type = (!content_type.is_empty()).then(|| content_type.into());
    }
    made
}

fn shadow(endpoint: &str, status: u16) -> Made {
    asked(endpoint, status, Some(false), "application/json")
}

#[test]
fn an_endpoint_outside_the_documents_is_one_alert_while_it_is_used() {
    let mut world = world();
    for _ in 0..72 {
        world.sees(&shadow("GET /internal/debug", 200));
        world.passes(Duration::from_hours(1));
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let alert = raised[0];
    assert_eq!(
        (alert.severity, alert.target.endpoint.as_deref()),
        (Severity::Medium, Some("GET /internal/debug"))
    );
    assert!(
        alert.summary.contains("answered 72 times (200) to 198.51.100.7"),
        "{}",
        alert.summary
    );
    assert_eq!(alert.evidence.samples.len(), 5);
}

#[test]
fn errors_redirects_and_pages_weigh_less() {
    for (status, content_type) in [(500, "application/json"), (302, ""), (200, "text/html; charset=utf-8")] {
        let mut world = world();
        world.sees(&asked("GET /admin", status, Some(false), content_type));
        world.ends();
        assert_eq!(world.raised()[0].severity, Severity::Low, "{status}");
    }
}

#[test]
fn very_many_share_an_alert() {
    let mut world = world();
    for n in 0..300 {
        world.sees(&shadow(&format!("GET /old/{n}x"), 200));
        world.passes(Duration::from_millis(100));
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), MOST_ALONE + 1);
    let shared = raised.last().unwrap();
    assert_eq!((shared.count, shared.target.process.as_deref()), (290, Some("unknown")));
}

#[test]
fn what_no_document_lists_is_silent() {
    let mut world = world();
    for _ in 0..20 {
        world.sees(&shadow("GET /wp-login.php", 404));
        world.sees(&shadow("POST /admin", 403));
        world.sees(&shadow("GET /old", 503));
        world.sees(&shadow("GET /logo.png", 304));
        world.sees(&shadow("OPTIONS /orders", 204));
        world.sees(&shadow("GET /favicon.ico", 200));
        world.sees(&shadow("GET /.well-known/acme-challenge/x", 200));
        world.sees(&asked(
            "GET /app.js",
            200,
            Some(false),
            "text/javascript; charset=utf-8",
        ));
        world.sees(&asked("GET /orders/{id}", 200, Some(true), "application/json"));
        world.sees(&asked("GET /anything", 200, None, "application/json"));
        let mut ours = shadow("GET /partner", 200);
        ours.0.role = HttpRole::Client;
        world.sees(&ours);
        world.passes_secs(60);
    }
    world.is_silent();
}
