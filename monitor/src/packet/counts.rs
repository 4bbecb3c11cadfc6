//! What became of packets.

/// Cumulative counts of a capture that is read from packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Packets given.
    pub packets: u64,
    /// Of a link layer that is not read.
    pub unknown_link: u64,
    /// Neither TCP nor UDP over IP.
    pub other_protocol: u64,
    /// Too short for the headers that they announce.
    pub cut_headers: u64,
    /// TCP segments of no connection that is known: after its end, or resets of what was never seen.
    pub stray_segments: u64,
    /// TCP segments whose numbers lie outside of any window.
    pub out_of_window: u64,
    /// Fragments of datagrams that were never complete, or that overlapped.
    pub fragments_dropped: u64,
    /// Connections and UDP flows forgotten to stay within the bound.
    pub evicted: u64,
    /// Packets whose stamp was before that of the packet before them.
    pub stamps_back: u64,
}

impl PacketCounts {
    /// What should not be missing.
    pub(crate) const fn lost(&self) -> [(&'static str, u64); 4] {
        [
            ("cut_headers", self.cut_headers),
            ("fragments_dropped", self.fragments_dropped),
            ("connections_evicted", self.evicted),
            ("unknown_link", self.unknown_link),
        ]
    }

    /// What is left out by design.
    pub(crate) const fn left_out(&self) -> [(&'static str, u64); 4] {
        [
            ("not_tcp_or_udp", self.other_protocol),
            ("stray_segments", self.stray_segments),
            ("out_of_window", self.out_of_window),
            ("stamps_back", self.stamps_back),
        ]
    }
}
