#![cfg(test)]

use super::*;
use crate::web::input;
use std::time::Duration;

fn read(path: &str, media: &str, body: &str) -> Page {
    let site = Site::parse("http://192.0.2.7/").unwrap();
    let response = Response {
        status: 200,
        headers: vec![("Content-Type".to_owned(), media.to_owned())],
        body: body.as_bytes().to_vec(),
        whole: Whole::Yes,
        took: Duration::ZERO,
    };
    Page::read(&site, &site.start().join(path).unwrap(), &response)
}

fn targets(page: &Page) -> Vec<String> {
    page.leads
        .iter()
        .map(|lead| format!("{} {}", lead.request.method, lead.request.target()))
        .collect()
}

#[test]
fn links_forms_and_scripts_lead_on_and_logout_does_not() {
    let page = read(
        "/a/",
        "text/html",
        "<base href=/b/><a href='x?id=1&amp;y=2'>x</a><a href=/bye>Log out</a><a href=/user/log-out>bye</a>\
         <a href=//elsewhere.example>e</a><a href=mailto:x@y>m</a><img src=/i.png>\
         <meta http-equiv=refresh content='0; url=/next'><div onclick=\"location='/clicked'\"></div>\
         <script>fetch('/api', {method: 'POST', body: JSON.stringify({a: 1})}); let s = \"/in/string\"</script>",
    );
    assert_eq!(
        targets(&page),
        [
            "GET /b/x?id=1&y=2",
            "GET /next",
            "GET /clicked",
            "POST /api",
            "GET /api",
            "GET /in/string"
        ]
    );
    assert_eq!((page.logouts, page.elsewhere), (2, 1));
}

#[test]
fn a_form_is_filled_by_type() {
    let page = read(
        "/",
        "text/html",
        "<form method=post action=/save><input type=hidden name=csrf_token value=t><input name=mail type=email>\
         <input name=n type=number min=3><select name=s><option value=''>-<option value=b>B</select>\
         <textarea name=t></textarea><input type=radio name=r value=1><input type=radio name=r value=2>\
         <input type=password name=p></form><input form=f name=outside><form id=f action=/search></form>",
    );
    let [post, get] = &page.leads[..] else {
        panic!("{:?}", page.leads)
    };
    let values: Vec<String> = input::inputs(&post.request)
        .iter()
        .map(|input| format!("{}={}", input.name, input.value(&post.request)))
        .collect();
    assert_eq!(
        values,
        [
            "csrf_token=t",
            "mail=vedette@vedette.example",
            "n=3",
            "s=b",
            "t=vedette",
            "r=1",
            "p=vedette"
        ]
    );
    assert_eq!(post.token.as_ref().unwrap().field, "csrf_token");
    assert_eq!(get.request.target(), "/search?outside=vedette");
    assert!(page.asks_for_password);
}

#[test]
fn robots_sitemaps_and_source_maps_are_read() {
    let robots = read(
        "/robots.txt",
        "text/plain",
        "User-agent: *\nDisallow: /private/ # x\nDisallow: /*.gif$\nSitemap: http://192.0.2.7/map.xml\n",
    );
    assert_eq!(targets(&robots), ["GET /private/", "GET /map.xml"]);
    let sitemap = read(
        "/map.xml",
        "application/xml",
        "<urlset><url><loc>http://192.0.2.7/s?a=1&amp;b=2</loc></url></urlset>",
    );
    assert_eq!(targets(&sitemap), ["GET /s?a=1&b=2"]);
    let script = read(
        "/app.js",
        "text/javascript",
        "x()\n//# sourceMappingURL=app.js.map\n",
    );
    assert_eq!(targets(&script), ["GET /app.js.map"]);
    let map = read(
        "/app.js.map",
        "application/json",
        r#"{"sourcesContent": ["call('/hidden/api')", null]}"#,
    );
    assert_eq!(targets(&map), ["GET /hidden/api"]);
}

#[test]
fn a_button_may_lead_elsewhere_than_its_form() {
    let page = read(
        "/",
        "text/html",
        "<form method=post action=/save><input name=a value=1><button formaction=/drop name=b>x</button></form>",
    );
    assert_eq!(targets(&page), ["POST /save", "POST /drop"]);
}

#[test]
fn answers_of_an_api_lead_on() {
    let page = read(
        "/api",
        "application/hal+json",
        r#"{"links": {"self": "/orders/7", "out": "/logout"}, "note": "either/or", "all": ["http://192.0.2.7/orders"]}"#,
    );
    let mut found = targets(&page);
    found.sort_unstable();
    assert_eq!(found, ["GET /orders", "GET /orders/7"]);
}
