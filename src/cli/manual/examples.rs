//! Lines worth typing: each stands in the page of its command, and in that of the noun above it.

use clap::Command;

/// What `relent(1)` shows: from nothing to an application that may send.
const FIRST: [(&str, &str); 7] = [
    ("relent check", "Whether the settings are fine, and if not, on which line and why."),
    ("relent account add acme", "Somebody who sends."),
    (
        "relent domain add acme acme.example",
        "The domain of its From addresses, with the DNS records to publish.",
    ),
    ("relent domain verify acme acme.example", "Whether they are published."),
    (
        "relent stream add acme newsletter --kind marketing --reply-to support@acme.example",
        "A kind of its mail, and who gets people's letters.",
    ),
    (
        "relent credential add acme --name app --stream newsletter",
        "A user name and a password for its application.",
    ),
    (
        "relent consent grant acme/newsletter ann@reader.example --source \"sign-up form\"",
        "That a person has agreed.",
    ),
];

/// The lines, with what each is for.
const LINES: &[(&str, &str)] = &[
    ("relent serve --config /etc/relent/relent.toml", "As the service runs it."),
    ("relent backup /var/backups", "All that must last, while mail goes on."),
    ("relent backup --verify tonight.tar", "Whether an archive is whole."),
    ("relent backup --damaged left.tar", "What can still be read of a lost host."),
    ("relent restore tonight.tar", "Into an empty data folder; mail is held then."),
    ("relent restore status", "What is held, and what was replayed."),
    ("relent restore replay audit.jsonl left.tar", "What was said after the backup."),
    ("relent restore release", "Let mail go."),
    (
        "relent restore release --waive \"Ann Smith\" --reason \"a rehearsal\"",
        "Without a replay: somebody answers for it.",
    ),
    ("relent demo", "The whole story on loopback, in a minute."),
    ("relent demo --keep", "The same, left running for a mail client of yours."),
    ("relent check --changed", "What differs from the defaults."),
    ("relent explain acme/newsletter ann@reader.example", "Why mail to Ann is sent or is not."),
    (
        "relent explain acme/newsletter --message mail.eml",
        "What large mailbox providers would hold against a message.",
    ),
    ("relent classify reply.eml --json", "What a reply is, and how far its wish would reach."),
    (
        "relent classify reply.eml --stream acme/orders --stream-kind transactional",
        "The same as an answer to orders.",
    ),
    (
        "relent send --from news@acme.example --to ann@reader.example --wait",
        "Try the relay, and see what becomes of it.",
    ),
    (
        "relent send --from news@acme.example --to ann@reader.example --user app/receipts --file letter.eml",
        "The same with a credential and a message of yours.",
    ),
    ("relent doctor", "What keeps mail from arriving, and what to do."),
    ("relent doctor --outgoing gmail.com", "Whether mail can leave, too."),
    ("relent top", "The relay at work, in the terminal."),
    ("relent top --once --json", "One look, for a program."),
    ("relent trace aguqdqbqaeaqcaibaeaq", "One message to its end."),
    ("relent trace --site reader.example", "What is said to a provider, as it is said."),
    ("relent trace --user acme/app --json", "What an application says, for a program."),
    ("relent account add acme", "Make an account."),
    ("relent account list --json", "All of them, for a program."),
    ("relent account show acme", "Its limits, and what of them is used."),
    ("relent account set acme --recipients-per-day 50000 --zone Asia/Shanghai", "Limit it."),
    ("relent account suspend acme --text \"please call us\"", "Let it send nothing for now."),
    ("relent account resume acme", "Let it go on."),
    ("relent member invite acme ann@acme.example --role owner", "Somebody to log in for it."),
    ("relent member list acme", "Who they are."),
    ("relent member invitations acme", "Who has not come yet."),
    ("relent member revoke acme 3", "An invitation that is taken back."),
    ("relent member set acme ann@acme.example --role viewer", "Somebody who only looks."),
    ("relent member set acme ann@acme.example --remove-totp", "A lost authenticator."),
    ("relent member remove acme ann@acme.example", "Somebody who has left."),
    ("relent member reset acme ann@acme.example", "A forgotten password."),
    ("relent session list acme ann@acme.example", "Where she is logged in."),
    ("relent session revoke acme ann@acme.example --all", "Nowhere any more."),
    ("relent credential add acme --name app --stream newsletter", "For one stream alone."),
    (
        "relent credential add acme --name office --allow 192.0.2.0/24 --expires 2027-01-31",
        "From one network, for a while.",
    ),
    ("relent credential list acme", "Which there are, and when each was used last."),
    ("relent credential remove acme app", "One that has leaked."),
    ("relent domain add acme acme.example", "Print the records to publish."),
    (
        "relent domain set acme acme.example --return-path bounce.acme.example",
        "A host of its own, so that SPF aligns.",
    ),
    ("relent domain list acme", "Its domains, and which are verified."),
    ("relent domain show acme acme.example --json", "The records again, for a program."),
    ("relent domain verify acme acme.example", "Which of them are found."),
    ("relent domain rotate acme acme.example", "New DKIM keys."),
    ("relent domain remove acme acme.example", "A domain that is sold."),
    ("relent stream add acme orders --kind transactional", "Mail that needs no consent."),
    (
        "relent stream set acme newsletter --quiet-hours 22:00-08:00@Europe/Berlin",
        "Nothing at night.",
    ),
    ("relent stream list acme", "Its streams."),
    ("relent stream show acme newsletter", "How one is set."),
    (
        "relent stream answers acme newsletter --language de --text de=own.txt",
        "Own words of confirmation.",
    ),
    ("relent stream remove acme newsletter", "A stream that has ended."),
    (
        "relent suppression add acme ann@reader.example --text \"she called\"",
        "A wish that came by telephone.",
    ),
    ("relent suppression add global @dead.example", "A domain that is gone, for everybody."),
    (
        "relent suppression remove acme ann@reader.example --reason manual",
        "What the operator has stopped, and nothing beneath it.",
    ),
    ("relent suppression show acme ann@reader.example", "What stops her, and on what grounds."),
    ("relent suppression list acme/newsletter", "Every stop of a stream."),
    ("relent suppression import acme stops.csv", "The list of the service before."),
    (
        "relent suppression import acme bounces.csv --from sendgrid:bounces",
        "The same as that service exports it.",
    ),
    ("relent suppression export acme stops.jsonl", "A list for the service after."),
    ("relent suppression held list --site google.com", "What a site's fault has put by."),
    ("relent suppression held apply --site google.com", "The addresses are dead after all."),
    ("relent suppression held drop --site google.com", "They are not."),
    (
        "relent consent grant acme/newsletter ann@reader.example --source \"sign-up form\" --ip 192.0.2.7",
        "With what proves it.",
    ),
    (
        "relent consent request acme/newsletter ann@reader.example --source \"sign-up form\"",
        "Asked by mail: she presses the button.",
    ),
    ("relent consent withdraw acme/newsletter ann@reader.example", "She has taken it back."),
    ("relent consent show acme/newsletter ann@reader.example", "What she has said, and when."),
    (
        "relent consent import acme/newsletter people.csv --source \"sign-up form\" --at 2026-03-01",
        "Consents that were given elsewhere.",
    ),
    ("relent consent export acme/newsletter people.csv", "All consents to a stream."),
    ("relent recipient export acme ann@reader.example", "A person asks what is kept."),
    ("relent recipient erase --all-accounts ann@reader.example", "And wants it gone."),
    (
        "relent webhook add acme https://app.example/relent --events message.delivered",
        "A program that is told of deliveries.",
    ),
    ("relent webhook list acme", "Which there are, and how they stand."),
    ("relent webhook show acme 1", "How one stands."),
    ("relent webhook set acme 1 --events all", "Tell it everything."),
    ("relent webhook rotate acme 1", "A new secret."),
    ("relent webhook test acme 1", "Whether it hears."),
    ("relent webhook pause acme 1", "Tell it nothing while it is mended."),
    ("relent webhook resume acme 1", "And then what it missed."),
    ("relent webhook failed list acme 1", "Calls that were given up."),
    ("relent webhook failed redeliver acme 1 --all", "Make them again."),
    ("relent webhook remove acme 1", "A program that is gone."),
    ("relent webhook schema", "What a program must be able to read."),
    (
        "relent events list acme/newsletter --kind message.failed --since 2026-03-01",
        "What has failed since a day.",
    ),
    ("relent events list acme ann@reader.example --json", "About one person, for a program."),
    ("relent events follow acme", "What happens to a customer's mail, as it happens."),
    ("relent queue list --stream acme/newsletter --limit 20", "What waits, and why."),
    ("relent queue show --domain reader.example", "All that is known of mail to a domain."),
    ("relent queue retry --domain reader.example", "Their server is up again: try now."),
    ("relent queue hold --account acme", "Let nothing of an account leave."),
    ("relent queue release --account acme", "Let it leave."),
    ("relent queue cancel --address ann@reader.example", "End it unsent."),
    ("relent queue summary", "How much waits, and for whom."),
    ("relent delivery list", "Where mail waits, what is slowed, out of reach or suspended."),
    ("relent delivery site gmail.com", "A domain's servers, limits and standing."),
    ("relent delivery probe partner.example", "Whether mail would reach it, and under what TLS."),
    (
        "relent delivery suspend \"*.example.net\" --for 2h --reason \"they asked us to\"",
        "Leave a provider alone.",
    ),
    ("relent delivery resume \"*.example.net\"", "Go on."),
    ("relent tls show", "What is shown to whom, until when, and why one is not renewed."),
    ("relent tls renew", "Every host of [acme] gets a new certificate, whatever waits there are."),
    ("relent tls renew mail.example.com", "One of them."),
    ("relent reload", "After the settings were changed: which hold now, which need a restart."),
    ("relent audit list --account acme --since 2026-11-01", "What was done, and by whom."),
    ("relent audit show 17", "One entry with its words."),
    ("relent audit export --since 2026-11-01", "The same as JSON Lines, oldest first."),
    ("relent audit verify", "Whether anybody has changed it."),
    ("relent audit verify --offline", "The same while the daemon is stopped."),
    ("relent audit head", "What to keep elsewhere, so that a cut is found."),
    ("relent store recover", "Save what a damaged file of records still holds."),
    ("relent store compact", "Make that file as small as it can be."),
    ("relent backup /var/backups/relent.tar", "A copy of everything, while the daemon runs."),
    ("relent backup --verify /var/backups/relent.tar", "Whether it is whole."),
    (
        "relent restore /var/backups/relent.tar",
        "Put it into an empty data folder; mail is held then.",
    ),
    ("relent restore status", "What is held since, and what was replayed."),
    ("relent restore replay events.jsonl --account acme", "Stops that came after the backup."),
    ("relent restore release", "Let mail go."),
    ("relent man --out /usr/local/share/man/man1", "Install the manual by hand."),
    ("relent completions zsh", "What to put into a folder of $fpath as _relent."),
];

/// The examples of a command, or of all below it; those of the first evening for the program itself.
pub(super) fn of(path: &[String]) -> Vec<(&'static str, &'static str)> {
    if path.is_empty() {
        return FIRST.to_vec();
    }
    let is_below = |line: &str| {
        let mut words = line.split(' ').skip(1);
        path.iter().all(|verb| words.next() == Some(verb))
    };
    LINES.iter().copied().filter(|(line, _)| is_below(line)).collect()
}

/// The commands, each with its examples at the end of its help.
pub(in crate::cli) fn helped(command: Command, path: &[String]) -> Command {
    if command.has_subcommands() {
        return command.mut_subcommands(|verb| {
            let path = [path, &[verb.get_name().to_owned()]].concat();
            helped(verb, &path)
        });
    }
    let shown = of(path).into_iter().map(|(line, why)| format!("  {line}\n      {why}"));
    let shown: Vec<_> = shown.collect();
    match shown.is_empty() {
        true => command,
        false => command.after_help(format!("Examples:\n{}", shown.join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Cli;
    use clap::{CommandFactory, Parser};

    /// Words of a line as a shell splits them, as far as the lines here go.
    fn words(line: &str) -> Vec<String> {
        let spoken = line.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        spoken.collect()
    }

    #[test]
    fn every_example_can_be_typed() {
        for (line, why) in FIRST.iter().chain(LINES) {
            let read = Cli::try_parse_from(words(line));
            assert!(
                read.is_ok(),
                "{line}: {}",
                read.err().map(|f| f.to_string()).unwrap_or_default()
            );
            assert!(why.ends_with('.'), "{line}: {why}");
        }
    }

    fn leaves(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
        let mut verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).peekable();
        if verbs.peek().is_none() {
            found.push(path.to_vec());
        }
        for verb in verbs {
            leaves(verb, &[path, &[verb.get_name().to_owned()]].concat(), found);
        }
    }

    #[test]
    fn every_verb_has_an_example() {
        let mut found = Vec::new();
        leaves(&Cli::command(), &[], &mut found);
        found.retain(|path| of(path).is_empty());
        assert!(found.is_empty(), "no line here for {found:?}");
    }
}
