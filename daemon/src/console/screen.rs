//! The screen: 80 by 25, plain text, drawn whole.

use vedette_protocol::status::{State, Status};

const WIDTH: usize = 80;
const MARGIN: usize = 4;

/// With a code on the screen there is room for so much; the serial line has all of it.
const REASON_LINES: usize = 3;
const CODE_LIMIT: usize = 20;

/// Clears the screen, puts the cursor home and hides it (ECMA-48).
const CLEAR: &str = "\x1b[2J\x1b[H\x1b[?25l";

/// What stands there until there is a status.
pub fn starting() -> String {
    page("starting", &[])
}

/// The page of a status. Its texts hold nothing but printable ASCII.
pub fn draw(status: &Status) -> String {
    let [reason, code, fingerprint, owner] = status.texts();
    let mut lines = Vec::new();
    if let Some(reason) = reason {
        lines.extend(labelled("Reason", reason).into_iter().take(REASON_LINES));
    }
    if let Some(address) = status.address {
        lines.extend(labelled("Address", &address.to_string()));
    }
    if let Some(fingerprint) = fingerprint {
        lines.extend(labelled("Fingerprint", fingerprint).into_iter().take(1));
    }
    if status.state == State::Serving {
        let owner = owner.unwrap_or("none is pinned: the platform decides what is scanned");
        lines.extend(labelled("Owner key", owner));
    }
    if let Some(code) = code {
        lines.push(String::new());
        lines.push("To activate this appliance, type this code into your account:".to_owned());
        lines.push(String::new());
        lines.extend(large(code.get(..CODE_LIMIT).unwrap_or(code)));
        lines.push(String::new());
        lines.push("and compare the fingerprint.".to_owned());
    }
    page(meaning(status.state), &lines)
}

fn page(headline: &str, lines: &[String]) -> String {
    let rule = "=".repeat(WIDTH - 2 * MARGIN);
    let head = [
        String::new(),
        "VEDETTE   scanner appliance".to_owned(),
        rule.clone(),
        String::new(),
        format!("State         {headline}"),
        String::new(),
    ];
    let margin = " ".repeat(MARGIN);
    let body: String = head
        .iter()
        .chain(lines)
        .chain([&String::new(), &rule])
        .map(|line| format!("{margin}{line}").trim_end().to_owned() + "\r\n")
        .collect();
    format!("{CLEAR}{body}")
}

fn meaning(state: State) -> &'static str {
    match state {
        State::Sealed => "sealed: waits for the network",
        State::Online => "online: looks for the platform",
        State::Activating => "activating: waits to be taken into an account",
        State::Activated => "activated: belongs to an account, asks to boot",
        State::Authenticated => "authenticated: the platform knows it, waits for its key",
        State::Unlocked => "unlocked: the workspace is open",
        State::Serving => "serving",
        State::Refused => "REFUSED: nothing is open, and nothing will be in this boot",
    }
}

/// A label and a text, broken at the width of the screen.
fn labelled(label: &str, text: &str) -> Vec<String> {
    const LABEL: usize = 14;
    let room = WIDTH - 2 * MARGIN - LABEL;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        for part in pieces(word, room) {
            if !line.is_empty() && line.len() + 1 + part.len() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(part);
        }
    }
    lines.push(line);
    let label = |at: usize| if at == 0 { label } else { "" };
    lines
        .iter()
        .enumerate()
        .map(|(at, line)| format!("{:<LABEL$}{line}", label(at)))
        .collect()
}

/// A word in pieces that fit.
fn pieces(word: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some((piece, more)) = rest.split_at_checked(room).filter(|(_, more)| !more.is_empty()) {
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

/// A code in letters of five rows, so that it is read from across a room.
fn large(code: &str) -> Vec<String> {
    let fits = code.len() * 7 <= WIDTH - 2 * MARGIN;
    let glyphs: Option<Vec<[&str; 5]>> = code.chars().map(glyph).collect();
    match glyphs.filter(|_| fits) {
        Some(glyphs) => (0..5)
            .map(|row| {
                glyphs
                    .iter()
                    .map(|glyph| glyph[row])
                    .collect::<Vec<_>>()
                    .join("  ")
            })
            .chain([String::new(), spaced(code)])
            .collect(),
        None => vec![spaced(code)],
    }
}

fn spaced(code: &str) -> String {
    code.chars().map(String::from).collect::<Vec<_>>().join("  ")
}

/// The letters of a device code's alphabet, and the hyphen.
fn glyph(letter: char) -> Option<[&'static str; 5]> {
    Some(match letter {
        'B' => ["#### ", "#   #", "#### ", "#   #", "#### "],
        'C' => [" ####", "#    ", "#    ", "#    ", " ####"],
        'D' => ["#### ", "#   #", "#   #", "#   #", "#### "],
        'F' => ["#####", "#    ", "###  ", "#    ", "#    "],
        'G' => [" ####", "#    ", "#  ##", "#   #", " ####"],
        'H' => ["#   #", "#   #", "#####", "#   #", "#   #"],
        'J' => ["  ###", "   # ", "   # ", "#  # ", " ##  "],
        'K' => ["#   #", "#  # ", "###  ", "#  # ", "#   #"],
        'L' => ["#    ", "#    ", "#    ", "#    ", "#####"],
        'M' => ["#   #", "## ##", "# # #", "#   #", "#   #"],
        'N' => ["#   #", "##  #", "# # #", "#  ##", "#   #"],
        'P' => ["#### ", "#   #", "#### ", "#    ", "#    "],
        'Q' => [" ### ", "#   #", "# # #", "#  # ", " ## #"],
        'R' => ["#### ", "#   #", "#### ", "#  # ", "#   #"],
        'S' => [" ####", "#    ", " ### ", "    #", "#### "],
        'T' => ["#####", "  #  ", "  #  ", "  #  ", "  #  "],
        'V' => ["#   #", "#   #", "#   #", " # # ", "  #  "],
        'W' => ["#   #", "#   #", "# # #", "## ##", "#   #"],
        'X' => ["#   #", " # # ", "  #  ", " # # ", "#   #"],
        'Z' => ["#####", "   # ", "  #  ", " #   ", "#####"],
        '-' => ["     ", "     ", " ### ", "     ", "     "],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vedette_protocol::link::CODE_ALPHABET;

    #[test]
    fn every_letter_of_the_alphabet_is_drawn() {
        let mut seen = std::collections::BTreeSet::new();
        for letter in CODE_ALPHABET {
            let glyph = glyph(char::from(*letter)).unwrap();
            assert!(glyph.iter().all(|row| row.len() == 5));
            assert!(seen.insert(glyph), "two letters look alike");
        }
    }

    #[test]
    fn a_code_can_be_read_in_both_sizes() {
        let page = draw(&Status::new(State::Activating).code("BCDF-GHJK"));
        assert!(page.contains("B  C  D  F  -  G  H  J  K"));
        assert!(page.contains("#   #  #      #   #"));
    }

    proptest! {
        /// Whatever the texts: the page fits the screen and holds no control character but our own.
        #[test]
        fn a_page_fits_the_screen(reason in ".{0,300}", code in ".{0,40}", fingerprint in ".{0,300}") {
            let status = Status::new(State::Refused)
                .because(&reason)
                .code(&code)
                .fingerprint(&fingerprint)
                .at("2001:db8:1111:2222:3333:4444:5555:6666".parse().ok());
            let page = draw(&status);
            let text = page.strip_prefix(CLEAR).unwrap();
            prop_assert!(text.lines().count() <= 25, "{} lines", text.lines().count());
            for line in text.split_terminator("\r\n") {
                prop_assert!(line.len() <= WIDTH);
                prop_assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            }
        }
    }
}
