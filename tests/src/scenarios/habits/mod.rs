//! What those who live in a world do, one file each. None of it is an attack.

pub mod buyers;
pub mod clerks;
pub mod companies;
pub mod deploys;
pub mod machines;
pub mod mistakes;
pub mod odd;
pub mod outbound;
pub mod partners;
pub mod peaks;
pub mod people;
pub mod phones;
pub mod promotion;
pub mod readers;
pub mod refused;
pub mod strangers;
pub mod tunnels;

use super::world::World;

/// Everybody lives through all days.
pub fn live(world: &mut World) {
    people::live(world);
    companies::live(world);
    phones::live(world);
    partners::live(world);
    peaks::live(world);
    machines::live(world);
    odd::live(world);
    readers::live(world);
    mistakes::live(world);
    strangers::live(world);
    tunnels::live(world);
    clerks::live(world);
    buyers::live(world);
    refused::live(world);
    promotion::live(world);
    outbound::live(world);
    // Last: what the others ask for meanwhile is refused, and tried again.
    deploys::live(world);
}
