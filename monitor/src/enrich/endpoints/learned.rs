//! Path templates learned from the requests that succeed.
//!
//! A tree of the words that paths are made of. Segments that look like ids are places at once ([`super::shape`]); where a
//! node gets more words below it than an API has, they are names of things too (slugs), and become one place. Only what
//! the server answered with success makes the tree grow: what a scanner tries in vain counts together, as `/api/*`.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::shape::{Shape, shape};
use crate::template::split;

/// Words below a node, before they count as names of things. Large APIs have some dozens of siblings.
const MAX_WORDS: usize = 128;
/// Nodes in all: 10,000 endpoints and their ways, about 5 MB.
const MAX_NODES: usize = 16_384;
/// Segments looked at; what is below counts together.
const MAX_DEPTH: usize = 16;
/// Methods of a node whose endpoints are kept as text; there are nine in RFC 9110 and RFC 5789.
const MAX_METHODS: usize = 12;
/// Extensions of ids (`{id}.json`) below a node.
const MAX_PLACES: usize = 8;

/// The tree.
#[derive(Debug)]
pub(super) struct Learned {
    nodes: Vec<Node>,
    refused: u64,
}

#[derive(Debug, Default)]
struct Node {
    words: FxHashMap<Box<str>, u32>,
    /// Places, by extension.
    places: Vec<(Box<str>, u32)>,
    /// So many words came that they are names of things.
    is_open: bool,
    /// The endpoint by method, of paths that end here, and of those that are lost from here on.
    here: Vec<(Box<str>, Arc<str>)>,
    beyond: Vec<(Box<str>, Arc<str>)>,
}

/// How far a path is known.
enum Known {
    Here(usize),
    /// Up to this node.
    Beyond(usize),
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            refused: 0,
        }
    }
}

impl Learned {
    /// The endpoint of a request; one that `succeeded` may teach a new one.
    pub(super) fn endpoint(&mut self, method: &str, path: &str, succeeded: bool) -> Arc<str> {
        if !path.starts_with('/') {
            // `*`, an authority: no path at all.
            return format!("{method} *").into();
        }
        let known = self.walk(path, succeeded);
        let (at, is_beyond) = match known {
            Known::Here(at) => (at, false),
            Known::Beyond(at) => (at, true),
        };
        let node = &mut self.nodes[at];
        let kept = if is_beyond { &mut node.beyond } else { &mut node.here };
        if let Some((_, endpoint)) = kept.iter().find(|(of, _)| **of == *method) {
            return Arc::clone(endpoint);
        }
        let endpoint: Arc<str> = format!("{method} {}", self.template(path, is_beyond.then_some(at))).into();
        let node = &mut self.nodes[at];
        let kept = if is_beyond { &mut node.beyond } else { &mut node.here };
        if kept.len() < MAX_METHODS {
            kept.push((method.into(), Arc::clone(&endpoint)));
        }
        endpoint
    }

    /// Paths that would have made the tree larger than it may be.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    fn walk(&mut self, path: &str, grow: bool) -> Known {
        let mut at = 0;
        for (depth, segment) in split(path).enumerate() {
            if depth >= MAX_DEPTH {
                return Known::Beyond(at);
            }
            let next = match shape(segment) {
                Shape::Id(extension) => self.place(at, extension, grow),
                Shape::Word(word) => self.word(at, word, grow),
            };
            match next {
                Some(next) => at = next,
                None => return Known::Beyond(at),
            }
        }
        Known::Here(at)
    }

    fn word(&mut self, at: usize, word: &str, grow: bool) -> Option<usize> {
        if self.nodes[at].is_open {
            return self.place(at, "", grow);
        }
        if let Some(child) = self.nodes[at].words.get(word) {
            return Some(*child as usize);
        }
        if !grow {
            return None;
        }
        if self.nodes[at].words.len() >= MAX_WORDS {
            self.open(at);
            return self.place(at, "", grow);
        }
        let child = self.add()?;
        self.nodes[at].words.insert(word.into(), child as u32);
        Some(child)
    }

    fn place(&mut self, at: usize, extension: &str, grow: bool) -> Option<usize> {
        if let Some((_, child)) = self.nodes[at].places.iter().find(|(of, _)| **of == *extension) {
            return Some(*child as usize);
        }
        if !grow || self.nodes[at].places.len() >= MAX_PLACES {
            return None;
        }
        let child = self.add()?;
        self.nodes[at].places.push((extension.into(), child as u32));
        Some(child)
    }

    fn add(&mut self) -> Option<usize> {
        if self.nodes.len() >= MAX_NODES {
            self.refused += 1;
            return None;
        }
        self.nodes.push(Node::default());
        Some(self.nodes.len() - 1)
    }

    /// The words below a node are names of things: what is known below them is known below the place. Their nodes come
    /// back with the next tree, since what is below a slug is small.
    fn open(&mut self, at: usize) {
        let words: Vec<u32> = {
            let mut words: Vec<_> = std::mem::take(&mut self.nodes[at].words).into_iter().collect();
            // Not by the order of a hash map: records must come out the same.
            words.sort_unstable();
            words.into_iter().map(|(_, child)| child).collect()
        };
        self.nodes[at].is_open = true;
        let place = self.nodes[at].places.iter().find(|(extension, _)| extension.is_empty());
        let into = if let Some((_, place)) = place {
            *place as usize
        } else {
            // The first of them becomes the place: no room is needed.
            let first = words[0];
            self.nodes[at].places.push((Box::default(), first));
            first as usize
        };
        for child in words {
            self.merge(child as usize, into);
        }
        self.forget_below(into);
    }

    /// Moves what is below `from` to below `into`, as far as it is not there.
    fn merge(&mut self, from: usize, into: usize) {
        if from == into {
            return;
        }
        let node = std::mem::take(&mut self.nodes[from]);
        self.nodes[into].is_open |= node.is_open;
        let mut words: Vec<_> = node.words.into_iter().collect();
        words.sort_unstable();
        for (word, child) in words {
            match self.nodes[into].words.get(&word).copied() {
                Some(same) => self.merge(child as usize, same as usize),
                None if self.nodes[into].words.len() < MAX_WORDS && !self.nodes[into].is_open => {
                    self.nodes[into].words.insert(word, child);
                }
                None => {}
            }
        }
        for (extension, child) in node.places {
            match self.nodes[into]
                .places
                .iter()
                .find(|(of, _)| *of == extension)
                .map(|(_, same)| *same)
            {
                Some(same) => self.merge(child as usize, same as usize),
                None if self.nodes[into].places.len() < MAX_PLACES => self.nodes[into].places.push((extension, child)),
                None => {}
            }
        }
        if self.nodes[into].is_open && !self.nodes[into].words.is_empty() {
            self.open(into);
        }
    }

    /// Texts of endpoints at and below a node are of the words before.
    fn forget_below(&mut self, at: usize) {
        let mut left = vec![at];
        while let Some(at) = left.pop() {
            let node = &mut self.nodes[at];
            node.here.clear();
            node.beyond.clear();
            left.extend(node.words.values().map(|child| *child as usize));
            left.extend(node.places.iter().map(|(_, child)| *child as usize));
        }
    }

    /// The path as the tree has it; where it is lost at `lost`, what follows is `*`.
    fn template(&self, path: &str, lost: Option<usize>) -> String {
        let mut text = String::with_capacity(path.len());
        let mut at = Some(0);
        for segment in split(path) {
            text.push('/');
            let node = at.map(|at| &self.nodes[at]);
            if lost.is_some() && lost == at && self.next(at, segment).is_none() {
                text.push('*');
                return text;
            }
            match shape(segment) {
                Shape::Word(word) if node.is_none_or(|node| !node.is_open) => text.push_str(word),
                Shape::Word(_) => text.push_str("{id}"),
                Shape::Id(extension) => {
                    text.push_str("{id}");
                    text.push_str(extension);
                }
            }
            at = self.next(at, segment);
        }
        text
    }

    fn next(&self, at: Option<usize>, segment: &str) -> Option<usize> {
        let node = &self.nodes[at?];
        let place = |extension: &str| {
            node.places
                .iter()
                .find(|(of, _)| **of == *extension)
                .map(|(_, child)| *child)
        };
        let child = match shape(segment) {
            Shape::Word(_) if node.is_open => place(""),
            Shape::Word(word) => node.words.get(word).copied(),
            Shape::Id(extension) => place(extension),
        };
        child.map(|child| child as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(learned: &mut Learned, path: &str, succeeded: bool, endpoint: &str) {
        // Twice: made, and found.
        for _ in 0..2 {
            assert_eq!(&*learned.endpoint("GET", path, succeeded), endpoint, "{path}");
        }
    }

    #[test]
    fn ids_are_places_and_words_stay() {
        let mut learned = Learned::default();
        check(&mut learned, "/", true, "GET /");
        check(&mut learned, "/orders/42", true, "GET /orders/{id}");
        check(
            &mut learned,
            "/orders/43/items/d41d8cd98f00b204e9800998ecf8427e",
            true,
            "GET /orders/{id}/items/{id}",
        );
        check(&mut learned, "/orders/43.json", true, "GET /orders/{id}.json");
        check(&mut learned, "/orders/", true, "GET /orders/");
        check(&mut learned, "/a;secret=x/b", true, "GET /a/b");
        check(&mut learned, "*", true, "GET *");
        assert_eq!(&*learned.endpoint("POST", "/orders/42", true), "POST /orders/{id}");
    }

    #[test]
    fn what_fails_teaches_nothing_and_counts_together() {
        let mut learned = Learned::default();
        check(&mut learned, "/api/orders", true, "GET /api/orders");
        for path in ["/wp-login.php", "/admin", "/.env", "/x/y/z", "/42"] {
            check(&mut learned, path, false, "GET /*");
        }
        check(&mut learned, "/api/backup", false, "GET /api/*");
        check(&mut learned, "/api/orders/7", false, "GET /api/orders/*");
        check(&mut learned, "/api/orders", false, "GET /api/orders");
        assert_eq!(learned.nodes.len(), 3);
    }

    #[test]
    fn many_words_are_names_of_things() {
        let mut learned = Learned::default();
        let mut name = String::new();
        for n in 0..=MAX_WORDS as u32 {
            name = format!(
                "post{}{}",
                char::from(b'a' + (n / 16) as u8),
                char::from(b'a' + (n % 16) as u8)
            );
            learned.endpoint("GET", &format!("/blog/{name}/comments"), true);
        }
        check(
            &mut learned,
            &format!("/blog/{name}/comments"),
            true,
            "GET /blog/{id}/comments",
        );
        check(&mut learned, "/blog/postaa/comments", true, "GET /blog/{id}/comments");
        check(&mut learned, "/blog/another", false, "GET /blog/{id}");
        check(&mut learned, "/blog/another/likes", true, "GET /blog/{id}/likes");
        check(&mut learned, "/blog", false, "GET /blog");
    }

    proptest! {
        #[test]
        fn is_bounded_and_steady(paths in prop::collection::vec(("(/[a-z0-9]{0,3}){1,5}", any::<bool>()), 0..300)) {
            let mut learned = Learned::default();
            for (path, succeeded) in &paths {
                let first = learned.endpoint("GET", path, *succeeded);
                // Asked again, whether it succeeds or not, nothing has changed.
                prop_assert_eq!(&first, &learned.endpoint("GET", path, false));
            }
            prop_assert!(learned.nodes.len() <= MAX_NODES);
        }

        #[test]
        fn takes_anything(paths in prop::collection::vec((".{0,40}", ".{0,80}"), 0..50)) {
            let mut learned = Learned::default();
            for (method, path) in &paths {
                let endpoint = learned.endpoint(method, path, true);
                prop_assert!(endpoint.starts_with(method.as_str()));
            }
        }
    }

    #[test]
    fn an_attacker_who_succeeds_everywhere_meets_the_bound() {
        let mut learned = Learned::default();
        for n in 0..40_000u32 {
            let letters =
                |n: u32| -> String { (0..4).map(|at| char::from(b'g' + (n >> (4 * at) & 15) as u8)).collect() };
            learned.endpoint(
                "GET",
                &format!("/{}/{}/{}", letters(n % 100), letters(n / 100), letters(n)),
                true,
            );
        }
        assert!(learned.nodes.len() <= MAX_NODES);
        assert!(learned.refused() > 0);
    }
}
