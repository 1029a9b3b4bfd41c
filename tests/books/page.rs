//! Reads a page of the books: its blocks, the notes for the runner before them, its headings and links.

/// What stands on a page, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A heading of the second rank.
    Section,
    /// `<!-- lab: … -->`.
    Note(String),
    Block(Block),
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) language: String,
    pub(super) text: String,
    /// The line that opens it, from 1.
    pub(super) line: usize,
}

/// The notes and blocks of a page.
pub(super) fn items(page: &str) -> Vec<Item> {
    let (mut items, mut open) = (Vec::new(), None::<(String, Block)>);
    for (number, line) in (1..).zip(page.lines()) {
        let bare = line.trim_start();
        if let Some((fence, block)) = &mut open {
            if bare.trim_end() == fence {
                items.extend(open.take().map(|(_, block)| Item::Block(block)));
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
        } else if bare.starts_with("```") {
            let fence: String = bare.chars().take_while(|c| *c == '`').collect();
            let language = bare[fence.len()..].trim().to_owned();
            open = Some((fence, Block { language, text: String::new(), line: number }));
        } else if line.starts_with("## ") {
            items.push(Item::Section);
        } else if let Some(note) = bare.strip_prefix("<!-- lab: ") {
            let note = note.strip_suffix(" -->");
            let note = note.unwrap_or_else(|| panic!("line {number}: a note ends on its line"));
            items.push(Item::Note(note.to_owned()));
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    items
}

/// A page's parts, one a section; what stands before the first is one too.
pub(super) fn sections(items: &[Item]) -> Vec<&[Item]> {
    items.split(|item| *item == Item::Section).collect()
}

/// The lines of a page that are not in a block.
fn prose(page: &str) -> Vec<(usize, &str)> {
    let mut within = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        if line.trim_start().starts_with("```") {
            within = !within;
        } else if !within {
            lines.push((number, line));
        }
    }
    lines
}

/// Every link and picture: the line, and where it leads.
pub(super) fn links(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(page) {
        // What stands in code is no link.
        let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for rest in text.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// The headings, as the books name them in links: lower case, `-` between words, nothing else.
pub(super) fn anchors(page: &str) -> Vec<String> {
    let heads = prose(page).into_iter().filter(|(_, line)| line.starts_with('#'));
    let anchor = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    heads.map(|(_, line)| anchor(line)).collect()
}

/// The commands of a shell block, each with its continued lines and what it is fed.
pub(super) fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut command = line.to_owned();
        while command.ends_with('\\') || is_open(&command) || is_loop(&command) {
            let Some(line) = lines.next() else { break };
            command.push('\n');
            command.push_str(line);
        }
        if let Some((_, after)) = command.split_once("<<") {
            let word = after.trim_matches(|c| c == '-' || c == '\'' || c == '"').trim();
            let end: String =
                word.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            for line in lines.by_ref() {
                command.push('\n');
                command.push_str(line);
                if line == end {
                    break;
                }
            }
        }
        found.push(command);
    }
    found
}

/// Whether a loop has begun and not ended.
fn is_loop(command: &str) -> bool {
    let begins = ["for ", "while ", "until "].iter().any(|word| command.starts_with(word));
    begins && command.lines().last().is_none_or(|line| line != "done")
}

/// Whether a quote is still open at the end of it.
fn is_open(command: &str) -> bool {
    let mut quote = None;
    let mut characters = command.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => {
                characters.next();
            }
            // What follows is for the reader.
            (None, '#') if before.is_whitespace() => {
                while characters.next_if(|c| *c != '\n').is_some() {}
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        before = c;
    }
    quote.is_some()
}

/// Whether an output is the one that a page shows. `…` stands for what varies: within a line for anything,
/// alone on a line for any lines. Runs of spaces count as one, so that tables may be as wide as they must.
pub(super) fn is_shown(shown: &str, output: &str) -> bool {
    let tidy = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.filter(|line| !line.is_empty()).collect()
    };
    lines_fit(&tidy(shown), &tidy(output))
}

fn lines_fit(shown: &[String], lines: &[String]) -> bool {
    match shown {
        [] => lines.is_empty(),
        [any, rest @ ..] if any == "…" => {
            (0..=lines.len()).any(|skipped| lines_fit(rest, &lines[skipped..]))
        }
        [first, rest @ ..] => {
            lines.first().is_some_and(|line| line_fits(first, line)) && lines_fit(rest, &lines[1..])
        }
    }
}

fn line_fits(shown: &str, line: &str) -> bool {
    let pieces: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = &pieces[..] else { return shown == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for piece in middle {
        let Some(place) = rest.find(piece) else { return false };
        rest = &rest[place + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn blocks_notes_and_links_are_found() {
    let text = "# A `b` c\n## Second\n<!-- lab: publish acme acme.example -->\n\n```sh\nx \\\n  y\n# no\nz\n```\n[a](b.md#c) `[no](x)`\n";
    let block = Block { language: "sh".into(), text: "x \\\n  y\n# no\nz\n".into(), line: 5 };
    let note = Item::Note("publish acme acme.example".into());
    let found = items(text);
    assert_eq!(found, [Item::Section, note, Item::Block(block.clone())]);
    assert_eq!(sections(&found), [&[][..], &found[1..]]);
    assert_eq!(commands(&block.text), ["x \\\n  y", "z"]);
    assert_eq!(links(text), [(11, "b.md#c".to_owned())]);
    assert_eq!(anchors(text), ["a-b-c", "second"]);
    let fed = "cat > a <<'EOF'\none\n# two\nEOF\nlast 'open\nquote' # it's closed\n";
    let found = commands(fed);
    assert_eq!(found, ["cat > a <<'EOF'\none\n# two\nEOF", "last 'open\nquote' # it's closed"]);
}

#[test]
fn an_output_that_differs_is_not_the_one_shown() {
    assert!(is_shown("a   b …\n…\nend\n", "a b 17\n\n1\n2\nend\n"));
    assert!(is_shown("id … is taken\n", "id 7f is taken\n"));
    assert!(!is_shown("id … is taken\n", "id 7f is not taken at all\n"));
    assert!(!is_shown("a\n", "a\nb\n"));
    assert!(!is_shown("a\nb\n", "a\n"));
    assert!(is_shown("…\nb\n", "b\n"));
}
