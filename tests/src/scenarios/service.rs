//! The API that is served: a shop's. What it has, how large and how slow that is, and the document that says so.

use serde_json::{Value, json};

use super::calendar::MILLI;
use super::chance::Chance;
use super::http::{Body, Response};

/// Something that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Method.
    pub method: &'static str,
    /// Path, with names in braces.
    pub path: &'static str,
    /// Half of its responses are smaller, bytes.
    size: u64,
    /// How far they spread: percent of a standard deviation of the logarithm.
    sigma: u64,
    /// Half of them take less, milliseconds.
    ms: u64,
    /// Its status when all is well.
    status: u16,
}

const fn place(method: &'static str, path: &'static str, size: u64, sigma: u64, ms: u64, status: u16) -> Place {
    Place {
        method,
        path,
        size,
        sigma,
        ms,
        status,
    }
}

/// The start page.
pub const HOME: Place = place("GET", "/", 1_800, 5, 4, 200);
/// For crawlers.
pub const ROBOTS: Place = place("GET", "/robots.txt", 120, 0, 1, 200);
/// For crawlers.
pub const SITEMAP: Place = place("GET", "/sitemap.xml", 2_600, 0, 3, 200);
/// A page of help.
pub const HELP: Place = place("GET", "/help/{page}", 1_500, 40, 5, 200);
/// Whether we are well.
pub const HEALTH: Place = place("GET", "/healthz", 15, 0, 1, 200);
/// Login of people.
pub const LOGIN: Place = place("POST", "/api/v1/login", 310, 10, 160, 200);
/// A forgotten password.
pub const RESET: Place = place("POST", "/api/v1/password-reset", 40, 0, 30, 202);
/// A fresh token for an old one.
pub const REFRESH: Place = place("POST", "/api/v1/token", 420, 10, 25, 200);
/// Products, a page at a time.
pub const PRODUCTS: Place = place("GET", "/api/v1/products", 1_900, 30, 22, 200);
/// A product.
pub const PRODUCT: Place = place("GET", "/api/v1/products/{id}", 780, 35, 9, 200);
/// A new price.
pub const PRICE: Place = place("PUT", "/api/v1/products/{id}", 120, 5, 18, 200);
/// A search.
pub const SEARCH: Place = place("GET", "/api/v1/search", 1_400, 60, 45, 200);
/// What is in the cart.
pub const CART: Place = place("GET", "/api/v1/cart", 420, 70, 8, 200);
/// Something goes into it.
pub const ADD: Place = place("POST", "/api/v1/cart", 230, 20, 14, 201);
/// An order is made.
pub const BUY: Place = place("POST", "/api/v1/orders", 510, 15, 190, 201);
/// The till: what is in the cart is to be bought.
pub const CHECKOUT: Place = place("POST", "/api/v1/checkout", 640, 25, 35, 200);
/// Where it goes.
pub const ADDRESS: Place = place("PUT", "/api/v1/checkout/address", 310, 15, 22, 200);
/// It is paid.
pub const PAY: Place = place("POST", "/api/v1/checkout/pay", 450, 10, 240, 201);
/// Orders of the one who asks.
pub const ORDERS: Place = place("GET", "/api/v1/orders", 1_300, 80, 30, 200);
/// One of them.
pub const ORDER: Place = place("GET", "/api/v1/orders/{id}", 640, 30, 11, 200);
/// Who asks.
pub const PROFILE: Place = place("GET", "/api/v1/profile", 390, 20, 7, 200);
/// A change of it.
pub const CHANGE: Place = place("PUT", "/api/v1/profile", 390, 20, 19, 200);
/// A picture, by its address elsewhere.
pub const AVATAR: Place = place("POST", "/api/v1/avatar", 90, 5, 120, 201);
/// A preview of a page elsewhere.
pub const PREVIEW: Place = place("GET", "/api/v1/preview", 700, 60, 210, 200);
/// A report for the office.
pub const REPORT: Place = place("GET", "/api/v1/reports/{id}", 48_000, 90, 350, 200);
/// Everything, for a partner's backup.
pub const EXPORT: Place = place("GET", "/api/v1/export", 24_000_000, 8, 900, 200);
/// The app's release.
pub const DOWNLOAD: Place = place("GET", "/downloads/{file}", 9_000_000, 0, 6, 200);
/// What partners upload.
pub const UPLOAD: Place = place("POST", "/api/v1/uploads", 80, 5, 60, 201);
/// What the payment provider tells us.
pub const HOOK: Place = place("POST", "/hooks/payments", 20, 0, 12, 200);
/// What only the staff may ask for.
pub const ADMIN: Place = place("GET", "/api/v1/admin/{page}", 900, 50, 24, 200);

/// All that the document names.
pub const PLACES: [Place; 29] = [
    HOME, ROBOTS, SITEMAP, HELP, HEALTH, LOGIN, RESET, REFRESH, PRODUCTS, PRODUCT, PRICE, SEARCH, CART, ADD, BUY,
    ORDERS, ORDER, PROFILE, CHANGE, AVATAR, PREVIEW, REPORT, EXPORT, DOWNLOAD, UPLOAD, HOOK, CHECKOUT, ADDRESS, PAY,
];

/// Products that there are.
pub const CATALOGUE: u64 = 4_000;

impl Place {
    /// How alerts name it.
    pub fn endpoint(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its path with `value` for what is in braces.
    pub fn at(&self, value: impl std::fmt::Display) -> String {
        match (self.path.find('{'), self.path.find('}')) {
            (Some(open), Some(close)) => format!("{}{value}{}", &self.path[..open], &self.path[close + 1..]),
            (_, _) => self.path.to_owned(),
        }
    }

    /// What it answers when all is well.
    pub fn answer(&self, chance: &mut Chance) -> Response {
        let size = chance.spread(self.size as f64, self.sigma as f64 / 100.0);
        Response::new(self.status, size.max(2.0) as u64)
    }

    /// How long it takes, nanoseconds; now and then far longer.
    pub fn think(&self, chance: &mut Chance) -> u64 {
        let slow = if chance.is(0.004) {
            chance.tail(4.0, 1.4, 60.0)
        } else {
            1.0
        };
        (chance.spread(self.ms as f64, 0.35) * slow * MILLI as f64) as u64
    }
}

/// An error, in a few words.
pub fn error(status: u16, text: &str) -> Response {
    let mut response = Response::new(status, 0);
    response.body = Body::Bytes(json!({ "error": text }).to_string().into_bytes());
    response
}

/// The OpenAPI document.
pub fn document() -> Value {
    let mut paths = serde_json::Map::new();
    for place in PLACES.iter().chain([&ADMIN]) {
        let operations = paths.entry(place.path).or_insert_with(|| json!({}));
        operations[place.method.to_ascii_lowercase()] = json!({
            "responses": { place.status.to_string(): { "description": "as it should be" } },
        });
    }
    // Browsers ask for permission first.
    for path in ["/api/v1/cart", "/api/v1/orders", "/api/v1/products"] {
        paths[path]["options"] = json!({ "responses": { "204": { "description": "you may" } } });
    }
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Shop", "version": "1" },
        "paths": paths,
    })
}
