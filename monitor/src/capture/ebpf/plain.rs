//! Plain values in and out of maps.
#![expect(unsafe_code, reason = "`aya::Pod` is an unsafe trait")]

use monitor_common as abi;

/// A struct of `monitor-common` as a map's key or value. They are `repr(C)`, of integers alone, without implicit padding
/// (asserted beside each).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plain<T>(pub T);

macro_rules! plain {
    ($($ty:ty),+ $(,)?) => {
        // SAFETY: `repr(C)` structs of integers without implicit padding: any bytes are a value.
        $(unsafe impl aya::Pod for Plain<$ty> {})+
    };
}

plain!(
    abi::Knobs,
    abi::Offsets,
    abi::FlowKey,
    abi::UdpKey,
    abi::UdpFlow,
    abi::FlowRecord,
    abi::Tail,
    abi::TotalKey,
    abi::Total,
    abi::Policy,
    abi::DestinationKey,
);
