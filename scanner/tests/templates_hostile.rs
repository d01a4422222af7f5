//! Hostile templates: none reads a file or the environment, none takes all memory or time, and each is named.
#![cfg(test)]

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::sync::mpsc;
use vedette_scanner::{
    causes::one_line,
    template::{Base, Library, Run, Setting, TemplateScan, run::Outgoing, scan},
    web::{Budget, Site},
};

const HEAD: &str = "id: hostile\ninfo:\n  name: x\n  severity: info\n";

fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostile.yaml"), text).unwrap();
    folder
}

/// Why the one template in a folder is refused.
fn refusal(path: &Path) -> String {
    let library = Library::open(path).unwrap();
    match &library.refused[..] {
        [refused] => one_line(&refused.why),
        _ => panic!("{} were loaded", library.templates.len()),
    }
}

/// Everything that the one template in a folder would send, when nothing answers.
fn sent(path: &Path) -> Vec<String> {
    let library = Library::open(path).unwrap();
    let template = library
        .templates
        .first()
        .unwrap_or_else(|| panic!("{}", refusal(path)))
        .clone();
    let base = Base::new(Site::parse("http://192.0.2.7/").unwrap());
    let mut run = Run::new(template, base.into(), &Setting::default());
    let mut sent = Vec::new();
    while let Some(Outgoing::Http(request)) = run.outgoing() {
        sent.push(String::from_utf8_lossy(&request.bytes).into_owned());
        run.heard(vedette_scanner::template::run::Incoming::Nothing);
    }
    let (_, tally) = run.finish();
    let unsendable: u64 = tally.unsendable.iter().map(|(_, count)| count).sum();
    assert_eq!(
        tally.planned,
        tally.sent + unsendable + tally.not_needed + tally.too_many
    );
    sent
}

fn with_payloads(file: &str) -> String {
    format!(
        "{HEAD}http:\n  - path: ['{{{{BaseURL}}}}/{{{{p}}}}']\n    payloads:\n      p: {file}\n    matchers:\n      - type: status\n        status: [200]\n"
    )
}

#[test]
fn payloads_come_from_below_the_folder_alone() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "root:x:0:0\n").unwrap();
    let secret = outside.path().join("secret");
    for file in [
        "/etc/passwd",
        "../secret",
        "helpers/../../secret",
        secret.to_str().unwrap(),
        "link",
        "folder/secret",
        "/proc/self/environ",
        "file:///etc/passwd",
    ] {
        let folder = folder(&with_payloads(file));
        symlink(&secret, folder.path().join("link")).unwrap();
        symlink(outside.path(), folder.path().join("folder")).unwrap();
        let why = refusal(folder.path());
        assert!(why.contains("payload file"), "{file}: {why}");
    }
    let inside = folder(&with_payloads("helpers/list.txt"));
    fs::create_dir(inside.path().join("helpers")).unwrap();
    fs::write(inside.path().join("helpers/list.txt"), "a\nb\n").unwrap();
    assert_eq!(sent(inside.path()).len(), 2);
}

#[test]
fn templates_are_read_from_the_folder_alone() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("far.yaml"), with_payloads("[a]")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink(outside.path().join("far.yaml"), folder.path().join("far.yaml")).unwrap();
    symlink(outside.path(), folder.path().join("far")).unwrap();
    let library = Library::open(folder.path()).unwrap();
    assert!(library.templates.is_empty() && library.refused.is_empty());
}

#[test]
fn nothing_stands_for_the_environment() {
    for name in [
        "env('PATH')",
        "PATH",
        "HOME",
        "os.environ",
        "$PATH",
        "getenv('HOME')",
        "read_file('/etc/passwd')",
    ] {
        let text = format!(
            "{HEAD}http:\n  - path: [\"{{{{BaseURL}}}}/{{{{{name}}}}}\"]\n    skip-variables-check: true\n    matchers:\n      - type: status\n        status: [200]\n"
        );
        let folder = folder(&text);
        for request in sent(folder.path()) {
            assert!(
                !request.contains("/bin") && !request.contains("root:"),
                "{request}"
            );
        }
    }
}

#[test]
fn what_runs_programs_is_refused_by_name() {
    for (block, feature) in [
        ("code:\n  - engine: [sh]\n    source: id\n", "protocol code"),
        ("javascript:\n  - code: x\n", "protocol javascript"),
        ("headless:\n  - steps: []\n", "protocol headless"),
        ("file:\n  - extensions: [all]\n", "protocol file"),
        (
            "flow: require('fs')\nhttp:\n  - path: ['{{BaseURL}}']\n",
            "flow in JavaScript",
        ),
        (
            "self-contained: true\nhttp:\n  - path: ['http://192.0.2.9/']\n",
            "self-contained",
        ),
    ] {
        let why = refusal(folder(&format!("{HEAD}{block}")).path());
        assert!(why.contains(feature), "{why}");
    }
}

#[test]
fn a_request_cannot_be_turned_to_another_server() {
    for url in [
        "http://192.0.2.9/",
        "//192.0.2.9/",
        "{{BaseURL}}.evil.example/",
        "{{BaseURL}}@192.0.2.9/",
        "https://192.0.2.7/",
        "{{Scheme}}://{{Host}}:8443/",
        "file:///etc/passwd",
    ] {
        let text = format!(
            "{HEAD}http:\n  - path: [\"{url}\"]\n    matchers:\n      - type: status\n        status: [200]\n"
        );
        for request in sent(folder(&text).path()) {
            assert!(request.contains("\r\nHost: 192.0.2.7\r\n"), "{url}: {request}");
            assert!(request.starts_with("GET /"), "{url}: {request}");
        }
    }
}

#[test]
fn what_would_take_all_memory_or_time_is_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let names = vec![format!("*a{}", level - 1); 9].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{names}]\n"));
    }
    let large = format!("{HEAD}# {}\n", "x".repeat(10 << 20));
    let deep = format!("{HEAD}http: {}\n", "[".repeat(50_000));
    let regex = format!(
        "{HEAD}http:\n  - path: ['{{{{BaseURL}}}}']\n    matchers:\n      - type: regex\n        regex: ['((a{{1000}}){{1000}}){{1000}}']\n"
    );
    let expression = format!(
        "{HEAD}http:\n  - path: ['{{{{BaseURL}}}}']\n    matchers:\n      - type: dsl\n        dsl: ['{}1{}']\n",
        "(".repeat(9999),
        ")".repeat(9999)
    );
    for (text, wanted) in [
        (bomb, "aliases"),
        (large, "more than the"),
        (deep, "line"),
        (regex, "regular expression"),
        (expression, "expression"),
    ] {
        let begun = Instant::now();
        let why = refusal(folder(&text).path());
        assert!(why.contains(wanted), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{wanted}");
    }
}

#[test]
fn variables_in_a_circle_stand_for_nothing() {
    let text = format!(
        "{HEAD}variables:\n  a: '{{{{b}}}}'\n  b: '{{{{a}}}}'\n  c: '{{{{c}}}}{{{{c}}}}'\nhttp:\n  - path: ['{{{{BaseURL}}}}/{{{{a}}}}', '{{{{BaseURL}}}}/{{{{c}}}}', '{{{{BaseURL}}}}/x']\n"
    );
    assert_eq!(sent(folder(&text).path()).len(), 1);
}

#[test]
fn payloads_without_end_are_cut_and_counted() {
    let list = (0..3000)
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let text = format!(
        "{HEAD}http:\n  - path: ['{{{{BaseURL}}}}/{{{{a}}}}{{{{b}}}}{{{{c}}}}{{{{d}}}}']\n    attack: clusterbomb\n    payloads: {{a: [{list}], b: [{list}], c: [{list}], d: [{list}]}}\n"
    );
    assert_eq!(sent(folder(&text).path()).len(), 20_000);
    let unknown = text.replace("{{d}}", "{{nobody}}");
    assert_eq!(sent(folder(&unknown).path()).len(), 0);
}

#[test]
fn broken_files_are_named_and_the_rest_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), b"\xff\xfe\x00").unwrap();
    fs::write(folder.path().join("b.yaml"), "a: [").unwrap();
    fs::write(folder.path().join("c.yaml"), "just text").unwrap();
    fs::write(folder.path().join("d.yaml"), "id: x\ninfo: {severity: lethal}\n").unwrap();
    fs::write(
        folder.path().join("e.yaml"),
        format!("{HEAD}http:\n  - path: ['{{{{BaseURL}}}}']\n    unheard-of: 1\n"),
    )
    .unwrap();
    let sound = format!("{HEAD}http:\n  - path: ['{{{{BaseURL}}}}']\n");
    fs::write(folder.path().join("f.yaml"), &sound).unwrap();
    fs::write(folder.path().join("g.yaml"), &sound).unwrap();
    let library = Library::open(folder.path()).unwrap();
    let refused: Vec<String> = library
        .refused
        .iter()
        .map(|refused| format!("{}: {}", refused.path, one_line(&refused.why)))
        .collect();
    assert_eq!(library.templates.len(), 1);
    assert!(
        refused[0].contains("no text") && refused[1].contains("not YAML"),
        "{refused:?}"
    );
    assert!(
        refused[2].contains("must be a map") && refused[3].contains("line 2: info.severity must be info"),
        "{refused:?}"
    );
    assert!(
        refused[4].contains("field http.unheard-of") && refused[5].contains("another template"),
        "{refused:?}"
    );
}

/// A server that does this with each connection.
fn serve(with: impl Fn(TcpStream) + Send + Copy + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || with(stream));
        }
    });
    url
}

#[tokio::test]
async fn conversations_end_whatever_the_server_does() {
    let endless = serve(|mut stream| while stream.write_all(&[b'x'; 65_536]).is_ok() {});
    let slow = serve(|mut stream| {
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    });
    let closing = serve(drop);
    let silent = serve(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let text = format!(
        "{HEAD}tcp:\n  - host: ['{{{{Hostname}}}}', 'tls://{{{{Hostname}}}}']\n    inputs:\n      - {{data: a, read: 1024}}\n      - {{data: b, read: 60000}}\n    read-all: true\n    matchers:\n      - type: word\n        words: [y]\n"
    );
    let folder = folder(&text);
    for url in [endless, slow, closing, silent] {
        let site = Site::parse(&url).unwrap();
        let (tell, _told) = mpsc::channel(64);
        let scan = scan(
            TemplateScan {
                scope: site.scope(&[], &[]),
                site,
                library: Library::open(folder.path()).unwrap(),
                budget: Budget::default(),
                resolver: None,
                setting: Setting::default(),
            },
            tell,
        );
        // Longer than two conversations may last, and far longer than they do.
        let report = tokio::time::timeout(Duration::from_secs(90), scan).await.unwrap();
        assert_eq!((report.templates.run, report.templates.hit), (1, 0), "{report:?}");
        let requests = &report.requests;
        let unsent: u64 = requests.unsent.values().sum();
        assert_eq!((requests.planned, requests.sent + unsent), (2, 2), "{report:?}");
    }
}
