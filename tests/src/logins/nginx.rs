//! nginx, in each way in which it asks who somebody is.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use vedette_protocol::Digest;

use super::{
    USER,
    server::{Server, certify, free_port},
};

/// Directives that ask for [`USER`] and the password.
pub const BASIC: &str = "auth_basic inside; auth_basic_user_file {dir}/users; autoindex on;";
/// Directives that ask for the secret as a token.
pub const BEARER: &str =
    "location / { return 404; } location /api/ { if ($token = wrong) { return 401; } alias {dir}/site/; }";
/// Directives that ask for the secret as the cookie `sid`.
pub const COOKIE: &str = "location / { if ($session = wrong) { return 302 /enter; } }
    location = /enter { default_type text/html; return 200 '<form><input type=password name=p></form>'; }";

/// Directives that ask for a client certificate of an authority whose certificate lies in `{dir}/clients.pem`.
pub fn clients_of(more: &str) -> String {
    format!("ssl_client_certificate {{dir}}/clients.pem; ssl_verify_client on; autoindex on; {more}")
}

/// nginx on loopback, with a certificate of its own and a log of what it was shown.
#[derive(Debug)]
pub struct Nginx {
    _process: Server,
    files: TempDir,
    /// Where it listens.
    pub port: u16,
    /// The digest of its public key.
    pub spki: Digest,
}

impl Nginx {
    /// With these directives in its one server, and more files in its folder, which the directives call `{dir}`.
    /// `how` is what it listens with: `ssl` or nothing.
    pub fn start(secret: &str, how: &str, more: &[(&str, &str)], server: &str) -> Result<Self> {
        let files = tempfile::tempdir().context("making a folder for nginx")?;
        let dir = files.path();
        let spki = certify(dir)?;
        let put = |name: &str, text: &str| {
            fs::write(dir.join(name), text).with_context(|| format!("writing nginx's {name}"))
        };
        for (name, text) in more {
            put(name, text)?;
        }
        put("users", &format!("{USER}:{{PLAIN}}{secret}\n"))?;
        fs::create_dir_all(dir.join("site/files")).context("making nginx's site")?;
        put("site/index.html", "<html><title>Inside</title><p>Hello.</html>")?;
        put("site/files/report.txt", "A listing shows this file.")?;
        let port = free_port(Ipv4Addr::LOCALHOST.into())?;
        let config = format!(
            "daemon off; user root; worker_processes 1; pid {{dir}}/pid; error_log {{dir}}/error.log;
            events {{ worker_connections 64; }}
            http {{
                types {{ text/html html; }}
                log_format shown '$request_method $request_uri $status authorization=$http_authorization \
                    cookie=$http_cookie certificate=$ssl_client_verify';
                access_log {{dir}}/access.log shown;
                client_body_temp_path {{dir}}/body; proxy_temp_path {{dir}}/proxy;
                fastcgi_temp_path {{dir}}/fastcgi; uwsgi_temp_path {{dir}}/uwsgi; scgi_temp_path {{dir}}/scgi;
                map_hash_bucket_size 256; absolute_redirect off;
                map $http_authorization $token {{ default wrong; 'Bearer {secret}' right; }}
                map $http_cookie $session {{ default wrong; 'sid={secret}' right; }}
                server {{
                    listen 127.0.0.1:{port} {how};
                    ssl_certificate {{dir}}/certificate.pem; ssl_certificate_key {{dir}}/key.pem;
                    root {{dir}}/site;
                    {server}
                }}
            }}"
        );
        put("config", &config.replace("{dir}", &dir.to_string_lossy()))?;
        let process = Command::new("nginx")
            .arg("-c")
            .arg(dir.join("config"))
            .arg("-e")
            .arg(dir.join("error.log"))
            .stdin(Stdio::null())
            .spawn()
            .context("starting nginx")?;
        let mut process = Server(process);
        process.wait(
            || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(),
            || fs::read_to_string(dir.join("error.log")).unwrap_or_default(),
        )?;
        Ok(Self {
            _process: process,
            files,
            port,
            spki,
        })
    }

    /// A line for each request.
    pub fn log(&self) -> String {
        // nginx writes a line once the answer is sent, which the client may have heard before.
        thread::sleep(Duration::from_millis(50));
        fs::read_to_string(self.files.path().join("access.log")).unwrap_or_default()
    }
}
