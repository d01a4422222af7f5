//! Default logins: whether a product that a page shows takes the login that its makers document. Pure; the engine asks.
//!
//! Tried where a page proves the product, with the one pair that its documentation names, between attempts of a user that
//! there is not: they must be refused, and the pair taken twice. A user that there is sees one wrong password at most; the
//! first sign of a limit on attempts ends it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    request::{Body, Request},
    response::Response,
};

/// Its name on command lines.
pub(crate) const NAME: &str = "login";

/// A product with a login that everybody knows.
#[derive(Debug)]
pub(crate) struct Product {
    /// Its name.
    pub(crate) name: &'static str,
    user: &'static str,
    password: &'static str,
    shows: Shows,
    /// Below the folder of the page that shows it; empty where it is that page.
    path: &'static str,
    way: Way,
    lets_in: fn(&Response) -> bool,
}

/// By what an answer shows a product.
#[derive(Debug)]
enum Shows {
    /// By all of these texts, which its pages alone have.
    Page(&'static [&'static str]),
    /// By the realm that it asks a login for (RFC 7617).
    Realm(&'static str),
}

/// How it takes a login.
#[derive(Debug)]
enum Way {
    /// RFC 7617.
    Basic,
    /// A form with these names for user and password, and further fields.
    Form(
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    ),
    /// A JSON document with these names.
    Json(&'static str, &'static str),
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It takes the pair, and not any.
    Taken,
    /// It does not.
    Refused,
    /// It limits attempts, and was left alone from there on.
    Limited,
}

/// The attempts in their order: whether each is one of a user that there is not.
const ATTEMPTS: [Who; 4] = [Who::Nobody, Who::Default, Who::Nobody, Who::Default];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Default,
}

impl Product {
    /// Those that an answer shows.
    pub(crate) fn shown_by(response: &Response) -> impl Iterator<Item = &'static Self> {
        let text = response.text();
        let realm = response.header("www-authenticate").unwrap_or_default();
        PRODUCTS.iter().filter(move |product| match &product.shows {
            Shows::Page(marks) => response.status == 200 && marks.iter().all(|mark| text.contains(mark)),
            Shows::Realm(name) => response.status == 401 && realm.contains(&format!("realm=\"{name}\"")),
        })
    }

    /// What to send next, or the verdict; `nobody` is a user that there is not.
    ///
    /// # Errors
    /// The next attempt, where `page` is the request that has shown the product.
    pub(crate) fn judge(
        &self,
        page: &Request,
        nobody: &str,
        answers: &[Response],
    ) -> Result<Verdict, Box<Request>> {
        for (who, answer) in ATTEMPTS.iter().zip(answers) {
            if is_limited(answer) {
                return Ok(Verdict::Limited);
            }
            if (self.lets_in)(answer) != (*who == Who::Default) {
                return Ok(Verdict::Refused);
            }
        }
        match ATTEMPTS.get(answers.len()) {
            None => Ok(Verdict::Taken),
            Some(Who::Nobody) => Err(Box::new(self.attempt(page, nobody))),
            Some(Who::Default) => Err(Box::new(self.attempt(page, self.user))),
        }
    }

    fn attempt(&self, page: &Request, user: &str) -> Request {
        let mut request = page.clone();
        request.query.clear();
        request.cookies.clear();
        if !self.path.is_empty() {
            request.path = format!("{}{}", folder(&page.path), self.path);
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match self.way {
            Way::Basic => {
                let token = STANDARD.encode(format!("{user}:{}", self.password));
                request.headers = vec![pair("Authorization", &format!("Basic {token}"))];
            }
            Way::Form(own, secret, others) => {
                request.method = "POST".to_owned();
                let fields = [pair(own, user), pair(secret, self.password)];
                let others = others.iter().map(|(name, value)| pair(name, value));
                request.body = Body::Form(fields.into_iter().chain(others).collect());
            }
            Way::Json(own, secret) => {
                request.method = "POST".to_owned();
                // Graylog and others refuse what a form of another site could send.
                request.headers = vec![pair("X-Requested-By", "vedette")];
                request.body = Body::Json(serde_json::json!({ own: user, secret: self.password }));
            }
        }
        request
    }
}

/// Where a product lies of which a page is known: pages to log in lie in its folder.
pub(crate) fn folder(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some((above, "login" | "login.html" | "index.php" | "index.html")) => above,
        _ => path,
    }
}

fn is_limited(answer: &Response) -> bool {
    let text = answer.text().to_ascii_lowercase();
    matches!(answer.status, 423 | 429 | 503)
        || answer.header("retry-after").is_some()
        || ["too many", "locked out", "is locked", "captcha"]
            .iter()
            .any(|word| text.contains(word))
}

fn says(answer: &Response, text: &str) -> bool {
    answer.status == 200 && answer.text().contains(text)
}

/// Between two attempts.
pub(crate) const APART: Duration = Duration::from_millis(1200);

/// By the documentation that each has, which docs/rules/login.md names.
const PRODUCTS: &[Product] = &[
    Product {
        name: "Grafana",
        user: "admin",
        password: "admin",
        shows: Shows::Page(&["grafanaBootData"]),
        path: "/login",
        way: Way::Json("user", "password"),
        lets_in: |answer| says(answer, "Logged in"),
    },
    Product {
        name: "Zabbix",
        user: "Admin",
        password: "zabbix",
        shows: Shows::Page(&["Zabbix SIA", "name=\"enter\""]),
        path: "/index.php",
        way: Way::Form("name", "password", &[("autologin", "1"), ("enter", "Sign in")]),
        lets_in: |answer| answer.location().is_some_and(|to| to.contains("zabbix.php")),
    },
    Product {
        name: "RabbitMQ management",
        user: "guest",
        password: "guest",
        shows: Shows::Page(&["<title>RabbitMQ Management</title>"]),
        path: "/api/whoami",
        way: Way::Basic,
        lets_in: |answer| says(answer, "\"tags\""),
    },
    Product {
        name: "Apache Tomcat manager",
        user: "tomcat",
        password: "s3cret",
        shows: Shows::Realm("Tomcat Manager Application"),
        path: "",
        way: Way::Basic,
        lets_in: |answer| says(answer, "Tomcat Web Application Manager"),
    },
    Product {
        name: "Apache ActiveMQ",
        user: "admin",
        password: "admin",
        shows: Shows::Realm("ActiveMQRealm"),
        path: "",
        way: Way::Basic,
        lets_in: |answer| says(answer, "ActiveMQ"),
    },
    Product {
        name: "Apache Felix web console",
        user: "admin",
        password: "admin",
        shows: Shows::Realm("OSGi Management Console"),
        path: "",
        way: Way::Basic,
        lets_in: |answer| says(answer, "Web Console"),
    },
    Product {
        name: "SonarQube",
        user: "admin",
        password: "admin",
        shows: Shows::Page(&["<title>SonarQube</title>"]),
        path: "/api/authentication/login",
        way: Way::Form("login", "password", &[]),
        lets_in: |answer| answer.status == 200 && answer.header("set-cookie").is_some(),
    },
    Product {
        name: "MinIO",
        user: "minioadmin",
        password: "minioadmin",
        shows: Shows::Page(&["<title>MinIO Console</title>"]),
        path: "/api/v1/login",
        way: Way::Json("accessKey", "secretKey"),
        lets_in: |answer| answer.status == 204 && answer.header("set-cookie").is_some(),
    },
    Product {
        name: "Apache Guacamole",
        user: "guacadmin",
        password: "guacadmin",
        shows: Shows::Page(&["ng-app=\"index\"", "guac-"]),
        path: "/api/tokens",
        way: Way::Form("username", "password", &[]),
        lets_in: |answer| says(answer, "\"authToken\""),
    },
    Product {
        name: "Graylog",
        user: "admin",
        password: "admin",
        shows: Shows::Page(&["<title>Graylog Web Interface</title>"]),
        path: "/api/system/sessions",
        way: Way::Json("username", "password"),
        lets_in: |answer| says(answer, "\"session_id\""),
    },
    Product {
        name: "Apache Axis2",
        user: "admin",
        password: "axis2",
        shows: Shows::Page(&["Login to Axis2 :: Administration page"]),
        path: "/login",
        way: Way::Form("userName", "password", &[("submit", " Login ")]),
        lets_in: |answer| says(answer, "You are now logged into the Axis2 administration console"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict about a Grafana that answers so, by who asks; and who has asked.
    fn verdict(answers: impl Fn(&str, usize) -> Response) -> (Verdict, Vec<String>) {
        let shown = Response::answering(200, &[], "<script>window.grafanaBootData = {}</script>");
        let product = Product::shown_by(&shown).next().unwrap();
        let page = Request::get(&"http://192.0.2.7/grafana/login?redirect=1".parse().unwrap());
        let (mut given, mut users) = (Vec::new(), Vec::new());
        loop {
            match product.judge(&page, "nobody", &given) {
                Ok(verdict) => return (verdict, users),
                Err(request) => {
                    assert_eq!(
                        (request.target().as_str(), request.method.as_str()),
                        ("/grafana/login", "POST")
                    );
                    let Body::Json(body) = &request.body else {
                        panic!("{request:?}");
                    };
                    let user = body["user"].as_str().unwrap().to_owned();
                    given.push(answers(&user, users.len()));
                    users.push(user);
                }
            }
        }
    }

    #[test]
    fn a_pair_counts_when_it_is_taken_and_another_is_not() {
        let (good, bad) = (
            r#"{"message": "Logged in"}"#,
            r#"{"message": "Invalid username or password"}"#,
        );
        let (yes, no) = (
            Response::answering(200, &[], good),
            Response::answering(401, &[], bad),
        );
        let taken = verdict(|user, _| if user == "admin" { yes.clone() } else { no.clone() });
        assert_eq!(taken.0, Verdict::Taken);
        assert_eq!(taken.1, ["nobody", "admin", "nobody", "admin"]);
        let changed = verdict(|_, _| no.clone());
        assert_eq!((changed.0, changed.1.len()), (Verdict::Refused, 2));
        let open = verdict(|_, _| yes.clone());
        assert_eq!((open.0, open.1.len()), (Verdict::Refused, 1));
        let once = verdict(|_, nth| if nth == 1 { yes.clone() } else { no.clone() });
        assert_eq!(once.0, Verdict::Refused);
        let limited = verdict(|_, _| Response::answering(429, &[("Retry-After", "60")], ""));
        assert_eq!((limited.0, limited.1.len()), (Verdict::Limited, 1));
    }

    #[test]
    fn products_are_known_by_what_they_alone_have() {
        let names = |response: &Response| {
            Product::shown_by(response)
                .map(|product| product.name)
                .collect::<Vec<_>>()
        };
        let realm = [("WWW-Authenticate", "Basic realm=\"Tomcat Manager Application\"")];
        assert_eq!(
            names(&Response::answering(401, &realm, "")),
            ["Apache Tomcat manager"]
        );
        assert!(names(&Response::answering(200, &realm, "")).is_empty());
        assert!(
            names(&Response::answering(
                200,
                &[],
                "We use Grafana, SonarQube and Zabbix."
            ))
            .is_empty()
        );
        assert_eq!(folder("/grafana/login"), "/grafana");
        assert_eq!((folder("/"), folder("/zabbix/")), ("", "/zabbix"));
    }
}
