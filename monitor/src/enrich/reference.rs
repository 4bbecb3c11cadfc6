//! What files beside the configuration say: made outside the core, handed to it whole, never changed.

use std::sync::Arc;

use super::endpoints::Documented;
use super::networks::NetworkData;

/// One edition of all of it. A newer one takes its place while the engine runs.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// Endpoints of the OpenAPI documents, and of the logins that the configuration names.
    pub documented: Arc<Documented>,
    /// Databases of networks, and threat lists.
    pub networks: Arc<NetworkData>,
    /// A document was given.
    pub has_documents: bool,
}
