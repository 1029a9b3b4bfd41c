//! The shells that complete the commands.

use crate::cli::arguments::Cli;
use clap::{CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell as Maker};

/// A shell for which there are completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Shell {
    /// For /usr/share/bash-completion/completions/relent.
    Bash,
    /// For a folder of $fpath, as `_relent`.
    Zsh,
    /// For ~/.config/fish/completions/relent.fish.
    Fish,
}

impl Shell {
    /// The script that the shell reads.
    pub(super) fn script(self) -> String {
        let maker = match self {
            Self::Bash => Maker::Bash,
            Self::Zsh => Maker::Zsh,
            Self::Fish => Maker::Fish,
        };
        let mut command = Cli::command();
        command.set_bin_name("relent");
        command.build();
        let mut script = Vec::new();
        maker.generate(&command, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}
