//! recog's format: every example of every fingerprint is matched as it states; files that mean harm are
//! refused by name, in bounded time and memory.
#![cfg(test)]

use std::{env, error::Error, fs, path::Path, path::PathBuf, time::Instant};

use vedette_scanner::{
    causes::one_line,
    recog::{Database, Examples, LoadError, Recog},
};

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recog")
}

/// Holds every example to what it states; says how many there are.
fn check(recog: &Recog) -> usize {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for database in recog.databases() {
        for fingerprint in database.fingerprints() {
            for example in fingerprint.examples() {
                checked += 1;
                if let Err(error) = fingerprint.check(example, database.protocol()) {
                    wrong.push(format!("{} line {}: {error}", database.matches(), example.line));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {checked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    checked
}

#[test]
fn our_own_examples_match_as_they_state() {
    let recog = Recog::load(&own(), Examples::Keep).unwrap();
    assert_eq!(check(&recog), 7);
    let found = recog.recognise("test.banner", b"Lantern/2.1 ready").unwrap();
    assert_eq!(found.value("service.protocol"), Some("test"));
    assert_eq!(found.description, "Lantern, with its version");
    assert!(
        recog
            .recognise("test.banner", b"Lantern/2.1 ready or not")
            .is_none()
    );
    assert!(recog.recognise("other.banner", b"Lantern/2.1 ready").is_none());
}

#[test]
fn every_example_of_recog_matches_as_it_states() {
    let Some(corpora) = env::var_os("VEDETTE_DATA") else {
        println!("not run: external corpus (set VEDETTE_DATA)");
        return;
    };
    let begun = Instant::now();
    let recog = Recog::load(&Path::new(&corpora).join("recog"), Examples::Keep).unwrap();
    let loaded = begun.elapsed();
    let size: usize = recog.databases().iter().map(Database::size).sum();
    let checked = check(&recog);
    println!(
        "{checked} examples of {} databases; loaded in {loaded:.1?}, {} KiB of patterns",
        recog.databases().len(),
        size / 1024
    );
    assert_eq!(checked, 7525);
}

/// The error of a file, with its causes.
fn refusal(xml: &str) -> String {
    match Database::parse(xml.as_bytes(), Examples::Keep, None) {
        Ok(_) => panic!("accepted: {xml}"),
        Err(error) => one_line(&error),
    }
}

fn fingerprint(inside: &str) -> String {
    format!("<fingerprints>\n<fingerprint pattern=\"^(a)$\">\n{inside}\n</fingerprint>\n</fingerprints>")
}

#[test]
fn what_is_wrong_with_a_file_is_named_with_its_line_and_cure() {
    for (xml, line, says) in [
        (String::new(), 1, "ends before </fingerprints>"),
        ("<fingerprints>\n".to_owned(), 2, "ends before </fingerprints>"),
        ("<fingerprints>\n</wrong>".to_owned(), 2, "not well-formed"),
        (
            "\n<html>".to_owned(),
            2,
            "<html> cannot stand here: expected <fingerprints>",
        ),
        (
            "<fingerprints>\n<fingerprint/>".to_owned(),
            2,
            "<fingerprint> has no \"pattern\"",
        ),
        (
            "<fingerprints>\n\n<fingerprint pattern=\"(\">".to_owned(),
            3,
            "cannot be compiled",
        ),
        (
            "<fingerprints>\n<fingerprint pattern=\"a(?=b)\">".to_owned(),
            2,
            "look-around",
        ),
        (
            "<fingerprints>\n<fingerprint pattern=\"a\" flags=\"REG_X\">".to_owned(),
            2,
            "no flag \"REG_X\"",
        ),
        (
            "<fingerprints preference=\"high\">".to_owned(),
            1,
            "a number from 0 to 1",
        ),
        (fingerprint("<param name=\"x\"/>"), 3, "<param> has no \"pos\""),
        (
            fingerprint("<param name=\"x\" pos=\"0\"/>"),
            3,
            "<param> has no \"value\"",
        ),
        (
            fingerprint("<param name=\"x\" pos=\"2\"/>"),
            3,
            "group 2, and the pattern has 1",
        ),
        (
            fingerprint("<param name=\"x\" pos=\"-1\"/>"),
            3,
            "the number of a group",
        ),
        (
            fingerprint("<param name=\"x\" name=\"y\" pos=\"1\"/>"),
            3,
            "not well-formed",
        ),
        (
            fingerprint("\n<example _encoding=\"rot13\">a</example>"),
            4,
            "expected base64",
        ),
        (
            fingerprint("<example _encoding=\"base64\">!</example>"),
            3,
            "not valid base64",
        ),
        (fingerprint("<example _filename=\"x\"/>"), 3, "the example's file"),
        (
            fingerprint("<example _filename=\"../x\"></example>"),
            3,
            "the example's file",
        ),
        (fingerprint("<example>&nbsp;</example>"), 3, "no entity \"nbsp\""),
        (fingerprint("<b>bold</b>"), 3, "<b> cannot stand here"),
    ] {
        let error = refusal(&xml);
        assert!(error.contains(says), "{xml}: {error}");
        assert!(error.starts_with(&format!("line {line}:")), "{xml}: {error}");
    }
    let latin = b"<fingerprints>\n<!-- \xe9 -->";
    let error = Database::parse(latin, Examples::Drop, None).unwrap_err();
    assert!(
        one_line(&error).starts_with("line 2: this is not in UTF-8"),
        "{error}"
    );
}

#[test]
fn entities_that_grow_without_end_are_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>\n<fingerprints>&b;</fingerprints>";
    assert!(refusal(bomb).contains("a document type is not allowed"));
}

#[test]
fn a_file_that_asks_for_all_memory_is_refused() {
    let begun = Instant::now();
    // Each pattern is small as text and large as a program.
    let greedy = "<fingerprint pattern=\"\\w{400}[a-f]{400}x{900}\"></fingerprint>".repeat(6000);
    let error = refusal(&format!("<fingerprints>{greedy}</fingerprints>"));
    assert!(error.contains("bytes of compiled patterns"), "{error}");
    let many = "<fingerprint pattern=\"a\"></fingerprint>".repeat(9000);
    assert!(refusal(&format!("<fingerprints>{many}</fingerprints>")).contains("8192"));
    let params = "<param pos=\"0\" name=\"n\" value=\"v\"/>".repeat(65);
    assert!(refusal(&fingerprint(&params)).contains("params of a fingerprint are more than 64"));
    let deep = "<fingerprint pattern=\"a\"><description>".to_owned() + &"<a>".repeat(100_000);
    assert!(refusal(&format!("<fingerprints>{deep}")).contains("expected text"));
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn a_folder_without_fingerprints_or_with_too_much_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Recog::load(folder.path(), Examples::Drop);
    assert!(matches!(load(), Err(LoadError::Empty { .. })));
    assert!(matches!(
        Recog::load(&folder.path().join("none"), Examples::Drop),
        Err(LoadError::Folder { .. })
    ));
    // A gigabyte, most of it a hole: no more than the bound is read.
    let large = folder.path().join("large.xml");
    fs::File::create(&large).unwrap().set_len(1 << 30).unwrap();
    let begun = Instant::now();
    assert!(matches!(load(), Err(LoadError::TooMuch { .. })));
    assert!(begun.elapsed().as_secs() < 10);
    fs::write(
        &large,
        "<fingerprints>\n<fingerprint pattern=\"[\"/></fingerprints>",
    )
    .unwrap();
    let error = load().unwrap_err();
    let line = one_line(&error);
    assert!(line.contains("large.xml") && line.contains("line 2"), "{line}");
    assert!(error.source().is_some());
}
