//! A site that wants to be remembered: what a scan holds of it is bounded. In a process of its own, whose memory is
//! what is measured.
#![cfg(test)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use tokio::sync::mpsc;
use vedette_scanner::web::{Budget, Listening, Site, WebScan, report::Why, scan};

/// Each page leads to many others by names that no other page has, has a form of heavy fields, and sets cookies.
fn page(number: usize) -> String {
    let links: String = (0..30)
        .map(|n| {
            format!(
                "<a href='/{number}x{n}/{}?{}'>on</a>",
                "a".repeat(300),
                "b".repeat(300)
            )
        })
        .collect();
    let fields: String = (0..100)
        .map(|n| format!("<input name='f{number}x{n}' value='{}'>", "v".repeat(400)))
        .collect();
    let cookies: String = (0..60)
        .map(|n| {
            format!(
                "Set-Cookie: c{number}x{n}={}; Path=/{number}\r\n",
                "c ".repeat(200)
            )
        })
        .collect();
    let body = format!("{links}<form method=post action='/{number}/send'>{fields}</form>");
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{cookies}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, mut stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let _ = stream.write_all(page(number).as_bytes());
        }
    });
    url
}

/// The most that this process has ever held, in bytes (proc_pid_status(5)).
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn what_is_remembered_of_a_site_is_bounded() {
    let site = Site::parse(&serve()).unwrap();
    let held = 256 << 10;
    let (tell, mut told) = mpsc::channel(64);
    let scan = scan(
        WebScan {
            scope: site.scope(&[], &[]),
            site,
            headers: Vec::new(),
            credential: None,
            other: None,
            api: None,
            listening: Listening::No("this test is about memory"),
            classes: "header".parse().unwrap(),
            budget: Budget {
                requests: 200,
                pages: 120,
                at_once: 4,
                time: Duration::from_secs(120),
                held,
                ..Budget::default()
            },
            seed: 7,
            browser: None,
            pause: None,
        },
        tell,
    );
    let before = peak();
    let (report, ()) = tokio::join!(scan, async { while told.recv().await.is_some() {} });
    let grown = peak() - before;
    assert!(
        report.not_done.iter().any(|gap| gap.why == Why::Memory),
        "{report:?}"
    );
    assert!(report.pages.done >= 50, "{report:?}");
    // What is held four times, and the answers that are looked at.
    assert!(grown < 4 * held + (32 << 20), "{} MiB", grown >> 20);
}
