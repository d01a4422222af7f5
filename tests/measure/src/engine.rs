//! What the engine does between two packets: it reads responses, pages, scripts, descriptions, templates, certificates.
//!
//! Nothing waits here, so that what an allocator costs shows at its worst.

use std::{hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use vedette_scanner::parse;

/// How much of a processor's time the same work takes.
pub fn measure() -> Duration {
    let response = response();
    work(&response, ROUNDS / 10);
    let begun = spent();
    work(&response, ROUNDS);
    spent() - begun
}

/// The processor's time that this process has taken: others on the machine change nothing.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn work(response: &[u8], rounds: u32) {
    for _ in 0..rounds {
        let Some((head, page)) = parse::read_web_response(response) else {
            unreachable_input("the response");
        };
        black_box(head);
        black_box(parse::read_web_page(&page));
        black_box(parse::script_calls(SCRIPT));
        black_box(parse::read_api_description(DESCRIPTION)).unwrap_or_else(|_| unreachable_input("the API"));
        black_box(parse::parse_template(TEMPLATE)).unwrap_or_else(|| unreachable_input("the template"));
        for certificate in CERTIFICATES {
            drop(black_box(parse::parse_certificate(certificate)));
        }
    }
}

/// A measurement of what was not done would be worth nothing.
fn unreachable_input(what: &str) -> ! {
    panic!("{what} is not read any more: measure another")
}

/// A page of about 40 KB, as it comes over the wire.
fn response() -> Vec<u8> {
    let section = |number: usize| {
        format!(
            "<div class=card id=c{number}><h2>Item {number}</h2><a href=\"/item?id={number}&view=full\">more</a>\
             <form action=/cart method=post><input type=hidden name=token value=t{number}>\
             <input name=amount value=1><select name=size><option value=s>S<option value=m>M</select></form>\
             <img src=\"/i/{number}.png\" alt=\"item {number}\"></div>\n"
        )
    };
    let sections: String = (0..120).map(section).collect();
    let page = format!("<!doctype html><title>Shop</title><script>{SCRIPT}</script>{sections}");
    format!(
        "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: text/html; charset=utf-8\r\n\
         Set-Cookie: session=abc; HttpOnly; Secure\r\nX-Frame-Options: DENY\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    )
    .into_bytes()
}

const ROUNDS: u32 = 400;
const SCRIPT: &str = "const api='/api/v1';fetch(api+'/items?page=1').then(r=>r.json());\
    fetch('/a',{method:'POST',body:JSON.stringify({a:1,b:'two'})});\
    var x=new XMLHttpRequest();x.open('GET','/x?q='+encodeURIComponent('y'));x.send();";
const DESCRIPTION: &[u8] = include_bytes!("../../../fuzz/corpus/web_api/openapi.yaml");
const TEMPLATE: &[u8] = include_bytes!("../../../fuzz/corpus/template/everything.yaml");
const CERTIFICATES: [&[u8]; 2] = [
    include_bytes!("../../../fuzz/corpus/scan_certificate/p256"),
    include_bytes!("../../../fuzz/corpus/scan_certificate/rsa"),
];
