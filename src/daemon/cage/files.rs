//! Landlock: which files and ports are within reach. Kernels know more or less of it; each keeps what it
//! knows.

use super::Allowed;
use anyhow::Result;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};

/// The newest form that this was tried with.
const NEWEST: ABI = ABI::V7;

/// Puts all files and ports out of reach but those allowed. Execution is allowed nowhere.
///
/// # Errors
/// The kernel has Landlock and takes these rules not.
pub(super) fn confine(allowed: &Allowed) -> Result<()> {
    let reading = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let writing = reading
        | make_bitflags!(AccessFs::{
            WriteFile | RemoveDir | RemoveFile | MakeDir | MakeReg | Refer | Truncate
        });
    let mut network: BitFlags<AccessNet> = AccessNet::BindTcp.into();
    if allowed.connects.is_some() {
        network |= AccessNet::ConnectTcp;
    }
    let scope: BitFlags<Scope> = match allowed.abstract_sockets {
        true => Scope::Signal.into(),
        false => Scope::from_all(NEWEST),
    };
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(network)?
        .scope(scope)?;
    let reads = allowed.reads.iter().map(|place| &place.path);
    let writes = allowed.writes.iter().map(|place| &place.path);
    let connects = allowed.connects.iter().flatten();
    let connects = connects.map(|port| {
        Ok::<_, landlock::RulesetError>(NetPort::new(port.number, AccessNet::ConnectTcp))
    });
    let listens = allowed.listens.iter();
    let listens = listens
        .map(|port| Ok::<_, landlock::RulesetError>(NetPort::new(port.number, AccessNet::BindTcp)));
    let status = rules
        .create()?
        .add_rules(path_beneath_rules(reads, reading))?
        .add_rules(path_beneath_rules(writes, writing))?
        .add_rules(listens)?
        .add_rules(connects)?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => tracing::info!(target: "relent::daemon",
            "files and ports beyond those of the settings are out of reach (Landlock)"),
        RulesetStatus::PartiallyEnforced => tracing::warn!(target: "relent::daemon",
            landlock = ?status.landlock,
            "this kernel keeps only some files and ports out of reach: one from 6.12 on keeps all"),
        RulesetStatus::NotEnforced => tracing::warn!(target: "relent::daemon",
            landlock = ?status.landlock,
            "no files and ports are kept out of reach: this kernel has no Landlock, was started without it \
             (lsm=landlock,…), or an outer filter of system calls hides it"),
    }
    Ok(())
}
