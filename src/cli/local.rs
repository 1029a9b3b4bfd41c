//! Verbs that need no running daemon: `serve` and `demo` are it; `check` and `store recover` work on
//! files.

use super::arguments::{Form, StoreVerb};
use super::audit::Found;
use super::client::Fault;
use super::{sandbox, show};
use crate::config::Config;
use crate::{daemon, demo as story, store as records};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Longest wait for blocking work that has outlived the demo.
const DEMO_END_MAX: Duration = Duration::from_secs(5);

/// Settings that this machine can run with, with what is wrong in words.
fn runnable(path: &Path) -> Result<Config, Fault> {
    let config = load(path)?;
    daemon::check(&config, path).map_err(|fault| Fault::Refused(fault.to_string()))?;
    Ok(config)
}

/// Settings from a file, with what is wrong in words.
pub(super) fn load(path: &Path) -> Result<Config, Fault> {
    Config::load(path).map_err(|fault| Fault::Refused(fault.to_string()))
}

/// So many threads; 0: one a core.
fn runtime(threads: usize) -> Result<Runtime, Fault> {
    let mut builder = Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().map_err(|fault| {
        Fault::Refused(format!("cannot start the threads that run sessions: {fault}"))
    })
}

/// Runs the daemon until it is told to stop.
pub(super) fn serve(path: &Path) -> Result<(), Fault> {
    // What somebody must mend has a code of its own: a service manager need not try again.
    let config = runnable(path).map_err(|fault| Fault::Usage(fault.to_string()))?;
    let drain_timeout = config.process.drain_timeout.0;
    let ground = daemon::Ground::lay(config, path).map_err(|fault| ended(&fault))?;
    let runtime = runtime(ground.threads())?;
    let done = runtime.block_on(daemon::serve(ground));
    runtime.shutdown_timeout(drain_timeout);
    done.map_err(|fault| ended(&fault))
}

/// Why the daemon did not start or had to end, in one line, and whether another start may go well.
fn ended(fault: &anyhow::Error) -> Fault {
    let said = format!("{fault:#}").replace('\n', " ");
    if daemon::needs_a_mend(fault) { Fault::Usage(said) } else { Fault::Refused(said) }
}

/// Tells the story of the README.
pub(super) fn demo(keep: bool) -> Result<(), Fault> {
    let runtime = runtime(0)?;
    let told = runtime.block_on(story::run(keep));
    runtime.shutdown_timeout(DEMO_END_MAX);
    told.map_err(|fault| Fault::Refused(format!("{fault:#}")))
}

/// Says whether a settings file is fine; with `changed`, what it changes. As JSON: `file`, `fine`, `fault`,
/// `advice`, and with `changed` that.
pub(super) fn check(path: &Path, changed: bool, form: Form) -> Result<(), Fault> {
    if form.json {
        return check_json(path, changed);
    }
    let config = runnable(path)?;
    for advice in daemon::advice(&config).into_iter().chain(daemon::foresee(&config)) {
        show::aside(&format!("{}: {advice}", path.display()));
    }
    if changed {
        let text = config.changed().map_err(Fault::Refused)?;
        show::put(&text)?;
    } else {
        show::line(&format!("{}: fine", path.display()))?;
    }
    Ok(())
}

/// Says what a daemon with these settings would let itself do.
pub(super) fn check_sandbox(path: &Path, form: Form) -> Result<(), Fault> {
    let config = runnable(path)?;
    sandbox::show(&config, path, form)
}

fn check_json(path: &Path, changed: bool) -> Result<(), Fault> {
    let file = path.display().to_string();
    let checked = runnable(path).and_then(|config| {
        let text = config.changed().map_err(Fault::Refused)?;
        let table = toml::from_str::<toml::Table>(&text);
        let advice = [daemon::advice(&config), daemon::foresee(&config)].concat();
        Ok((advice, table.map_err(|fault| Fault::Refused(fault.to_string()))?))
    });
    match checked {
        Ok((advice, table)) => {
            let mut told = json!({ "file": file, "fine": true, "fault": null, "advice": advice });
            if changed {
                told["changed"] = json!(table);
            }
            show::json(&told)
        }
        Err(fault) => {
            let told = fault.to_string();
            show::json(&json!({ "file": file, "fine": false, "fault": told, "advice": [] }))?;
            Err(fault)
        }
    }
}

/// Looks at the audit chain on disk.
pub(super) fn audit(head: Option<&str>, path: &Path, form: Form) -> Result<(), Fault> {
    let config = load(path)?;
    let checked = daemon::audit::verify(&config, head);
    let checked = checked.map_err(|fault| Fault::Refused(format!("{fault:#}")))?;
    Found::of(&checked).say(form)
}

/// Repairs the records while nobody else has them.
pub(super) fn store(verb: &StoreVerb, path: &Path) -> Result<(), Fault> {
    let config = load(path)?;
    let lock_path = config.data_dir.join("lock");
    let unlocked = |why: String| {
        Fault::Refused(format!("{}: {why}; nothing was changed", lock_path.display()))
    };
    let lock = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|fault| unlocked(fault.to_string()))?;
    lock.try_lock().map_err(|_| {
        unlocked("the daemon is running: stop it first, as with `systemctl stop relent`".into())
    })?;
    if let StoreVerb::Compact = verb {
        let compacted = runtime(1)?.block_on(compact(&config));
        drop(lock);
        return compacted;
    }
    let recovered = records::recover(&config.data_dir, config.store.engine)
        .map_err(|why| beyond(&config, &why))?;
    for (table, rows) in &recovered.rows {
        show::line(&format!("{table:16} {rows:>10} rows saved"))?;
    }
    show::line(&format!("{:16} {:>10}", "lost", recovered.lost))?;
    let kept = recovered.damaged.display();
    show::line(&match recovered.lost == 0 && !recovered.is_older {
        true => {
            format!("no damage was found: every row was read; the file as it was is kept as {kept}")
        }
        false => format!("the damaged file is kept as {kept}"),
    })?;
    drop(lock);
    recovered.warning().map_or(Ok(()), |why| Err(Fault::Refused(why)))
}

/// Writes the file of the records anew, however large it is.
async fn compact(config: &Config) -> Result<(), Fault> {
    match records::compact(&config.data_dir, &config.store).await {
        Ok(true) => show::line("the records were written anew"),
        Ok(false) => Err(Fault::Refused(
            "this engine keeps a folder, which is not written anew: `relent store recover` makes a new one \
             and keeps the old one beside it, to be removed by hand"
                .into(),
        )),
        Err(fault) => Err(Fault::Refused(fault.to_string())),
    }
}

/// Why nothing was saved, and the way on. What is read is a copy; the operator knows the file.
fn beyond(config: &Config, why: &str) -> Fault {
    let records = config.store.engine.records();
    let file = config.data_dir.join(records);
    let is_there = file.exists();
    let file = file.display();
    let copy = format!("{records}.reading");
    let way = if why.contains(&copy) {
        let marker = config.data_dir.join("records.created");
        format!(
            "nothing of it can be saved: put a copy of {file} from a backup in its place; or, to \
             begin anew without any account, stop or consent, move it and {} away; then start the \
             daemon",
            marker.display()
        )
    } else if is_there {
        "mend that and run this again".into()
    } else {
        format!("put a copy of {file} from a backup there, or see that data_dir is right")
    };
    Fault::Refused(format!("{}; nothing was changed; {way}", why.replace(&copy, records)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_beyond_reading_is_named_by_its_own_file_with_the_way_on() {
        let home = tempfile::tempdir().expect("a folder");
        let settings = home.path().join("relent.toml");
        let data = home.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        std::fs::write(&settings, format!("data_dir = {data:?}\n")).expect("settings");
        let said = || {
            let fault = store(&StoreVerb::Recover, &settings).expect_err("nothing can be saved");
            assert_eq!(fault.code(), 1);
            fault.to_string()
        };
        let none = said();
        assert!(none.contains("/data/records.redb: ") && none.contains("backup"), "{none}");
        std::fs::write(data.join("records.redb"), [7; 9000]).expect("junk");
        let junk = said();
        assert!(junk.contains("/data/records.redb: ") && !junk.contains(".reading"), "{junk}");
        assert!(junk.contains("from a backup") && junk.contains("records.created"), "{junk}");
        assert_eq!(std::fs::read(data.join("records.redb")).expect("still there"), [7; 9000]);
    }
}
