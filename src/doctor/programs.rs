//! What other programs of this machine know: systemd of the unit, and whether the clock is kept right.

use super::Case;
use super::finding::Finding;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Longest wait for a program.
const PATIENCE: Duration = Duration::from_secs(5);
/// There while systemd runs the machine (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
const UNIT: &str = "relent.service";

/// Asks them.
pub(super) async fn programs(case: Case<'_>) -> Vec<Finding> {
    let (clock, unit) = tokio::join!(clock(), unit(case));
    vec![clock, unit]
}

/// What a program prints; none where it is not there, fails or takes too long.
async fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let run = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, run).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether somebody keeps the clock right, as the kernel was told (adjtimex(2)).
async fn clock() -> Finding {
    let (area, subject) = ("clock", "time servers");
    let keep = "keep it right with systemd-timesyncd or chrony: signatures, retries and consents are dated by \
                it";
    let told = said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).await;
    if let Some(text) = told {
        return match text.trim() {
            "yes" => Finding::ok(area, subject, "the clock is kept right"),
            _ => Finding::warn(area, subject, "nobody keeps the clock right", keep),
        };
    }
    match said("chronyc", &["-n", "tracking"]).await {
        Some(text) if text.lines().any(|line| leap(line) == Some("Normal")) => {
            Finding::ok(area, subject, "the clock is kept right")
        }
        Some(_) => Finding::warn(area, subject, "chrony does not keep the clock right yet", keep),
        None => Finding::warn(
            area,
            subject,
            "whether the clock is kept right cannot be told: neither timedatectl nor chronyc answers",
            "see that it is, by whoever runs this machine or the container's host",
        ),
    }
}

/// The state in chrony's line of it.
fn leap(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    (name.trim() == "Leap status").then(|| value.trim())
}

/// How the unit stands, where systemd runs the machine.
async fn unit(case: Case<'_>) -> Finding {
    let (area, subject) = ("systemd", UNIT);
    let runs = case.daemon.is_some();
    if !Path::new(SYSTEMD).exists() {
        return match runs {
            true => {
                Finding::ok(area, subject, "systemd does not run this machine; the daemon answers")
            }
            false => Finding::bad(
                area,
                subject,
                "systemd does not run this machine, and no daemon answers on the admin socket",
                format!("start it: `relent serve --config {}`", case.file.display()),
            ),
        };
    }
    let properties = "--property=LoadState,ActiveState,SubState,Result,NRestarts,UnitFileState";
    let text = said("systemctl", &["show", UNIT, properties]).await.unwrap_or_default();
    state(&text, runs)
}

fn state(text: &str, runs: bool) -> Finding {
    let (area, subject) = ("systemd", UNIT);
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default()
    };
    let log = "see `journalctl -u relent`";
    if value("LoadState") != "loaded" {
        return match runs {
            true => Finding::ok(
                area,
                subject,
                "there is no such unit; the daemon was started otherwise",
            ),
            false => Finding::bad(
                area,
                subject,
                "there is no such unit, and no daemon answers on the admin socket",
                "install the unit and `systemctl enable --now relent`, or run `relent serve`",
            ),
        };
    }
    let (active, sub) = (value("ActiveState"), value("SubState"));
    let told = format!("{active} ({sub})");
    if active == "failed" {
        let text = format!("{told}: {}", value("Result"));
        return Finding::bad(
            area,
            subject,
            text,
            format!("{log}, then `systemctl restart relent`"),
        );
    }
    if active != "active" {
        return match runs {
            true => Finding::ok(area, subject, format!("{told}; the daemon was started otherwise")),
            false => Finding::bad(area, subject, told, "`systemctl start relent`"),
        };
    }
    let restarts = value("NRestarts").parse::<u64>().unwrap_or(0);
    if restarts > 0 {
        let text = format!("{told}, and was started anew {restarts} times by itself");
        return Finding::warn(area, subject, text, log);
    }
    if value("UnitFileState") == "disabled" {
        let text = format!("{told}, and does not start with the machine");
        return Finding::warn(area, subject, text, "`systemctl enable relent`");
    }
    Finding::ok(area, subject, told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_unit_that_fails_restarts_or_does_not_start_is_told() {
        let of = |active: &str, restarts: u32, file: &str| {
            format!(
                "LoadState=loaded\nActiveState={active}\nSubState=x\nResult=exit-code\n\
                 NRestarts={restarts}\nUnitFileState={file}\n"
            )
        };
        assert_eq!(state(&of("active", 0, "enabled"), true).level, Level::Ok);
        assert_eq!(state(&of("active", 3, "enabled"), true).level, Level::Warn);
        assert_eq!(state(&of("active", 0, "disabled"), true).level, Level::Warn);
        assert_eq!(state(&of("failed", 0, "enabled"), false).level, Level::Bad);
        assert_eq!(state(&of("inactive", 0, "enabled"), false).level, Level::Bad);
        assert_eq!(state("LoadState=not-found\n", true).level, Level::Ok);
        assert_eq!(state("", false).level, Level::Bad);
    }

    #[test]
    fn chronys_word_for_a_clock_that_is_right_is_found() {
        assert_eq!(leap("Leap status     : Normal"), Some("Normal"));
        assert_eq!(leap("Stratum         : 3"), None);
    }
}
