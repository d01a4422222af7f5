//! Verdicts: for each template of a corpus a responder is made from its own matchers, one that gives them what they
//! ask for, and one that gives them all but one thing.
#![cfg(test)]

#[path = "templates_verdicts/atom.rs"]
mod atom;
#[path = "templates_verdicts/body.rs"]
mod body;
#[path = "templates_verdicts/responder.rs"]
mod responder;
#[path = "templates_verdicts/sample.rs"]
mod sample;
#[path = "templates_verdicts/version.rs"]
mod version;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    env,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;
use vedette_scanner::{
    callback::{Callbacks, Ledger},
    template::{Base, Library, Run, Setting, Template, TemplateScan, placement::CallsBack, scan},
    web::{Budget, Site, WebEvent, response::Response},
};

use self::responder::Responder;

/// What came of a corpus.
#[derive(Debug, Default)]
struct Score {
    right: usize,
    wrong: Vec<String>,
    not_made: BTreeMap<String, Vec<String>>,
}

fn run_of(template: &Arc<Template>) -> Run {
    let base = Arc::new(Base::new(Site::parse("http://192.0.2.7:8080/").unwrap()));
    Run::new(template.clone(), base, &setting())
}

fn setting() -> Setting {
    let given = [
        "username",
        "password",
        "bucket",
        "access_key_id",
        "access_key",
        "token",
        "email",
    ];
    Setting {
        seed: 11,
        now: 1_700_000_000,
        callbacks: Some(Callbacks::new(Ledger::new(
            [192, 0, 2, 200].into(),
            vec![[192, 0, 2, 7].into()],
            40_000..42_000,
        ))),
        given: given
            .map(|name| (name.to_owned(), format!("given-{name}")))
            .into(),
    }
}

fn judge(library: &Library) -> Score {
    let mut score = Score::default();
    for template in &library.templates {
        if let Some(feature) = template.calls_back.lacks() {
            let of_feature = score.not_made.entry(feature.to_string()).or_default();
            of_feature.extend([template.id.clone(), template.id.clone()]);
            continue;
        }
        for near in [false, true] {
            let hits = Responder::make(template, near)
                .and_then(|responder| responder.run(run_of(template), &mut |_, _| ()));
            match hits {
                Ok(hits) if (hits > 0) != near => score.right += 1,
                Ok(_) => score.wrong.push(format!(
                    "{} ({})",
                    template.id,
                    if near { "near" } else { "full" }
                )),
                Err(why) => score.not_made.entry(why).or_default().push(template.id.clone()),
            }
        }
    }
    score
}

fn check(library: &Library) {
    let score = judge(library);
    for (why, templates) in &score.not_made {
        println!("no responder: {why}: {}", templates.join(" "));
    }
    for wrong in &score.wrong {
        println!("wrong: {wrong}");
    }
    let not_made: usize = score.not_made.values().map(Vec::len).sum();
    let made = score.right + score.wrong.len();
    println!(
        "{} of {made} verdicts right; {not_made} responders could not be made",
        score.right
    );
    assert!(score.right * 1000 >= 995 * made, "{} of {made}", score.right);
    assert!(
        made * 100 >= 85 * (made + not_made),
        "{made} responders were made, {not_made} were not"
    );
}

#[test]
fn verdicts_on_the_external_corpus_are_right() {
    let Some(data) = env::var_os("VEDETTE_DATA") else {
        println!("not run: external corpus (set VEDETTE_DATA)");
        return;
    };
    check(&Library::open(&PathBuf::from(data).join("nuclei-templates")).unwrap());
}

#[test]
fn verdicts_on_our_own_corpus_are_right() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/corpus");
    let library = Library::open(&own).unwrap();
    assert!(library.templates.len() >= 15);
    let score = judge(&library);
    assert_eq!(score.wrong, [""; 0]);
    assert!(score.right >= 20, "{score:?}");
}

/// What a server answers, in order, to each request.
type Answers = Arc<Mutex<HashMap<Vec<u8>, VecDeque<Vec<u8>>>>>;

/// A server that answers a request, byte for byte, with what it was told to.
fn serve(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            thread::spawn(move || converse(stream, &answers));
        }
    });
    url
}

fn converse(mut stream: TcpStream, answers: &Answers) {
    let (mut heard, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut part) {
        heard.extend_from_slice(&part[..count]);
        let answer = answers
            .lock()
            .unwrap()
            .get_mut(&heard)
            .and_then(VecDeque::pop_front);
        if let Some(answer) = answer {
            heard.clear();
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

fn bytes_of(response: &Response) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} X\r\n", response.status).into_bytes();
    for (name, value) in &response.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", response.body.len()).as_bytes());
    bytes.extend_from_slice(&response.body);
    bytes
}

/// The same verdicts over the wire: a server on loopback answers what the responder would.
async fn judge_over_the_wire(templates: &[Arc<Template>]) -> (usize, Vec<String>) {
    let answers = Answers::default();
    let url = serve(answers.clone());
    let (mut right, mut wrong) = (0, Vec::new());
    for template in templates {
        for near in [false, true] {
            let Ok(responder) = Responder::make(template, near) else {
                continue;
            };
            let site = Site::parse(&url).unwrap();
            let base = Arc::new(Base::new(site.clone()));
            let mut told: HashMap<Vec<u8>, VecDeque<Vec<u8>>> = HashMap::new();
            let mut is_plain = true;
            let hits = responder.run(
                Run::new(template.clone(), base, &setting()),
                &mut |request, response| {
                    is_plain &= response.took.is_zero()
                        && !response.headers.iter().any(|(name, _)| {
                            matches!(
                                name.to_ascii_lowercase().as_str(),
                                "content-length" | "content-encoding" | "transfer-encoding" | "connection"
                            )
                        });
                    told.entry(request.to_vec())
                        .or_default()
                        .push_back(bytes_of(response));
                },
            );
            if hits.is_err() || !is_plain || hits == Ok(usize::from(near)) {
                continue;
            }
            *answers.lock().unwrap() = told;
            let scope = site.scope(&[], &[]);
            let library = Library {
                templates: vec![template.clone()],
                refused: Vec::new(),
            };
            let (tell, mut told) = mpsc::channel(256);
            let budget = Budget {
                patience: Duration::from_secs(2),
                ..Budget::default()
            };
            let scan = scan(
                TemplateScan {
                    site,
                    scope,
                    library,
                    budget,
                    resolver: None,
                    setting: setting(),
                },
                tell,
            );
            let listen = async {
                let mut found = 0;
                while let Some(event) = told.recv().await {
                    found += usize::from(matches!(event, WebEvent::Found(_)));
                }
                found
            };
            let (_, found) = tokio::join!(scan, listen);
            if (found > 0) == near {
                wrong.push(format!(
                    "{} ({})",
                    template.id,
                    if near { "near" } else { "full" }
                ));
            } else {
                right += 1;
            }
        }
    }
    (right, wrong)
}

#[tokio::test]
async fn verdicts_over_the_wire_are_the_same() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/corpus");
    let mut templates = Library::open(&own).unwrap().templates;
    if let Some(data) = env::var_os("VEDETTE_DATA") {
        let library = Library::open(&PathBuf::from(data).join("nuclei-templates")).unwrap();
        // Some of all places, so that each kind is among them.
        templates.extend(library.templates.iter().step_by(40).cloned());
    } else {
        println!("not run: external corpus (set VEDETTE_DATA)");
    }
    templates.retain(|template| template.calls_back == CallsBack::Never);
    let (right, wrong) = judge_over_the_wire(&templates).await;
    println!("{right} verdicts right over the wire, wrong: {wrong:?}");
    assert!(
        right > 20 && right * 1000 >= 995 * (right + wrong.len()),
        "{right}, {wrong:?}"
    );
}
