//! The file of rules that say what refusals mean: named in the settings, read with them.

use super::section::Delivery;
use crate::mail::RefusalRules;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Largest file of rules, in bytes.
const FILE_MAX: usize = 1 << 20;

/// A file of rules and, once it was read, what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub struct RefusalFile {
    path: PathBuf,
    rules: RefusalRules,
}

impl From<PathBuf> for RefusalFile {
    /// The file, unread: until [`RefusalFile::load`] the rules are those of the build.
    fn from(path: PathBuf) -> Self {
        Self { path, rules: RefusalRules::default() }
    }
}

impl From<RefusalFile> for PathBuf {
    fn from(file: RefusalFile) -> Self {
        file.path
    }
}

impl RefusalFile {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn load(&mut self) -> Result<(), String> {
        let named = |fault: String| format!("{}: {fault}", self.path.display());
        let text = std::fs::read(&self.path).map_err(|fault| named(fault.to_string()))?;
        if text.len() > FILE_MAX {
            return Err(named(format!("{} bytes: {FILE_MAX} are the most", text.len())));
        }
        let text = String::from_utf8(text).map_err(|fault| named(fault.to_string()))?;
        self.rules = RefusalRules::with(&text).map_err(named)?;
        Ok(())
    }
}

impl Delivery {
    /// The rules by which refusals are read.
    #[must_use]
    pub fn refusals(&self) -> RefusalRules {
        self.refusal_rules.as_ref().map_or_else(RefusalRules::default, |file| file.rules.clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::mail::RefusalClass;

    #[test]
    fn rules_of_a_file_are_read_with_the_settings_and_what_is_wrong_with_them_is_named() {
        let home = tempfile::tempdir().expect("a folder");
        let (file, rules) = (home.path().join("relent.toml"), home.path().join("rules.toml"));
        let text = format!("hostname = \"a.example\"\n[delivery]\nrefusal_rules = {rules:?}\n");
        std::fs::write(&file, text).expect("written");
        let missing = Config::load(&file).expect_err("no such file").to_string();
        let named = "relent.toml:3: delivery.refusal_rules: ";
        assert!(missing.contains(named) && missing.contains("rules.toml"), "{missing}");
        std::fs::write(&rules, "[[rule]]\nclass = \"odd\"\n").expect("written");
        let wrong = Config::load(&file).expect_err("no such class").to_string();
        assert!(wrong.contains(named) && wrong.contains("line 2"), "{wrong}");
        let rule =
            "[[rule]]\nclass = \"greylisting\"\ntext = \"not now\"\nexample = \"450 not now\"\n";
        std::fs::write(&rules, rule).expect("written");
        let config = Config::load(&file).expect("fine");
        let found = config.delivery.refusals().read(Some(450), None, "450 Not now!");
        assert_eq!(found.class, RefusalClass::Greylisting);
        let changed = config.changed().expect("TOML");
        assert!(changed.contains("refusal_rules = "), "{changed}");
    }
}
