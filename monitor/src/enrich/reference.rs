//! What files beside the configuration say: made outside the core, handed to it whole, never changed.

use std::sync::Arc;

use super::endpoints::Documented;

/// One edition of all of it. A newer one takes its place while the engine runs.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// Endpoints of the OpenAPI documents, and of the logins that the configuration names.
    pub documented: Arc<Documented>,
    /// A document was given.
    pub has_documents: bool,
}
