//! What must be so for mail to arrive: the names of this machine, its ports, certificate, clock, disk and
//! files, and what others think of its addresses. Each finding says what was found and what to do. Nothing is
//! changed, and all of it can be asked while the daemon is stopped.

mod certificate;
mod conversation;
mod finding;
mod machine;
mod names;
mod ports;
mod programs;
mod reputation;

pub use finding::{Finding, Level};
pub use ports::addresses;

use crate::config::Config;
use crate::dns::{HickoryResolver, Resolver};
use crate::world::World;
use std::path::Path;
use std::sync::Arc;

/// What is to be looked at beside the settings.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Their file.
    pub file: &'a Path,
    /// The daemon's process, where one answers on the admin socket.
    pub daemon: Option<i32>,
    /// A domain whose mail servers are connected to, to see whether mail can leave.
    pub outgoing: Option<&'a str>,
    /// Lists of addresses that send what nobody wants.
    pub block_lists: &'a [String],
}

/// Looks at everything; what concerns one thing stands together.
pub async fn examine(case: Case<'_>, world: &World) -> Vec<Finding> {
    let resolver: Arc<dyn Resolver> = match HickoryResolver::new(&case.config.dns) {
        Ok(resolver) => resolver,
        Err(fault) => {
            let advice = "set dns.nameservers, or mend /etc/resolv.conf";
            let mut found = vec![Finding::bad("DNS", "name servers", fault.to_string(), advice)];
            found.extend(local(case, world).await);
            return found;
        }
    };
    let resolver = &*resolver;
    let (names, reputation, outgoing, local) = tokio::join!(
        names::names(case.config, resolver),
        reputation::listings(case, resolver),
        ports::outgoing(case, resolver, world),
        local(case, world),
    );
    [names, reputation, outgoing, local].concat()
}

/// What needs no name server.
async fn local(case: Case<'_>, world: &World) -> Vec<Finding> {
    let (ports, roles, certificate, programs) = tokio::join!(
        ports::listeners(case, world),
        reputation::roles(case, world),
        async { certificate::certificate(case.config, world.clock.now()) },
        programs::programs(case),
    );
    let machine = machine::machine(case, world);
    [ports, roles, certificate, machine, programs].concat()
}
