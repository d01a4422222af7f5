//! The paths that are asked for on every site, and what proves each. The next one is a row.

use serde_json::Value;
use vedette_protocol::finding::FindingType;

use crate::audit::exposed_file::is_environment;

/// A path, and what it holds.
type Row = (&'static str, fn(&[u8]) -> bool);

pub(super) const PLACES: &[(FindingType, &[Row])] = &[
    (FindingType::WebExposedFile, FILES),
    (FindingType::WebExposedDump, DUMPS),
    (FindingType::WebExposedConsole, CONSOLES),
];

const FILES: &[Row] = &[
    ("/.env.local", is_environment),
    ("/.env.production", is_environment),
    ("/.env.bak", is_environment),
    ("/.hg/requires", is_mercurial),
    ("/.bzr/branch-format", is_bazaar),
    ("/CVS/Entries", is_cvs),
    ("/.aws/credentials", is_aws),
    ("/.npmrc", is_npmrc),
    ("/.git-credentials", is_git_credentials),
    ("/.docker/config.json", is_docker_login),
    ("/.vscode/sftp.json", is_sftp),
    ("/.idea/workspace.xml", is_idea),
    ("/.ssh/id_rsa", is_private_key),
    ("/id_rsa", is_private_key),
    ("/server.key", is_private_key),
    ("/privatekey.key", is_private_key),
    ("/web.config", is_web_config),
    ("/WEB-INF/web.xml", is_web_xml),
    ("/appsettings.json", is_app_settings),
    ("/config/database.yml", is_database_yml),
    ("/docker-compose.yml", is_compose),
    ("/wp-config.php.bak", is_php),
    ("/wp-config.php~", is_php),
    ("/config.php.bak", is_php),
    ("/storage/logs/laravel.log", is_laravel_log),
    ("/wp-content/debug.log", is_php_log),
    ("/error_log", is_php_log),
];

const DUMPS: &[Row] = &[
    ("/backup.sql", is_sql),
    ("/dump.sql", is_sql),
    ("/database.sql", is_sql),
    ("/db.sql", is_sql),
    ("/backup.zip", is_zip),
    ("/www.zip", is_zip),
    ("/backup.tar.gz", is_gzip),
    ("/backup.tar", is_tar),
    ("/db.sqlite3", is_sqlite),
    ("/database.sqlite", is_sqlite),
];

const CONSOLES: &[Row] = &[
    ("/phpinfo.php", is_phpinfo),
    ("/info.php", is_phpinfo),
    ("/server-status", is_server_status),
    ("/server-info", is_server_info),
    ("/nginx_status", is_nginx_status),
    ("/actuator", is_actuator),
    ("/env", is_spring_env),
    ("/actuator/env", is_spring_env),
    ("/jolokia/version", is_jolokia),
    ("/console", is_werkzeug),
    ("/h2-console/", is_h2),
    ("/debug/pprof/", is_pprof),
    ("/debug/vars", is_expvar),
    ("/metrics", is_metrics),
    ("/_profiler/", is_symfony),
    ("/rails/info/properties", is_rails),
    ("/elmah.axd", is_elmah),
    ("/trace.axd", is_trace),
    ("/adminer.php", is_adminer),
];

/// The text of a body that is no page: a page that says where something is not is none of these files.
fn text(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    (!text.trim_start().starts_with('<')).then_some(text)
}

fn lines(body: &[u8]) -> impl Iterator<Item = &str> {
    text(body).unwrap_or_default().lines().map(str::trim_end)
}

fn has_line(body: &[u8], start: &str) -> bool {
    lines(body).any(|line| line.trim_start().starts_with(start))
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// Whether a page has this title, and all of the marks as well.
fn titled(body: &[u8], title: &str, marks: &[&str]) -> bool {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("<title>").unwrap_or_default();
    let found = rest.split("</title>").next().unwrap_or_default();
    found.trim().starts_with(title) && marks.iter().all(|mark| text.contains(mark))
}

/// One requirement a line (`hg help internals.requirements`).
fn is_mercurial(body: &[u8]) -> bool {
    let all = lines(body).all(|line| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic()));
    all && lines(body).any(|line| matches!(line, "revlogv1" | "share-safe" | "store"))
}

fn is_bazaar(body: &[u8]) -> bool {
    body.starts_with(b"Bazaar-NG ")
}

/// `/name/revision/time/options/tag` and `D/name////` (CVS manual, section 2.3).
fn is_cvs(body: &[u8]) -> bool {
    let entry = |line: &str| {
        line == "D" || ((line.starts_with('/') || line.starts_with("D/")) && line.matches('/').count() == 5)
    };
    lines(body).next().is_some() && lines(body).all(entry) && lines(body).any(|line| line.len() > 1)
}

fn is_aws(body: &[u8]) -> bool {
    has_line(body, "[") && has_line(body, "aws_secret_access_key")
}

fn is_npmrc(body: &[u8]) -> bool {
    lines(body).any(|line| line.contains("_authToken=") || line.starts_with("_auth="))
}

/// `scheme://user:password@host` (git-credential-store(1)).
fn is_git_credentials(body: &[u8]) -> bool {
    let login = |line: &str| {
        let rest = line
            .strip_prefix("https://")
            .or_else(|| line.strip_prefix("http://"));
        let user = rest.and_then(|rest| rest.split_once('@')).map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':') && !user.contains('/'))
    };
    lines(body).next().is_some() && lines(body).all(login)
}

fn is_docker_login(body: &[u8]) -> bool {
    json(body).get("auths").is_some_and(Value::is_object)
}

fn is_sftp(body: &[u8]) -> bool {
    let settings = json(body);
    ["host", "username"]
        .iter()
        .all(|name| settings.get(name).is_some_and(Value::is_string))
}

fn is_idea(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("<project version=") && text.contains("<component name=")
}

/// RFC 7468; OpenSSH's and PKCS #1's labels end so as well.
fn is_private_key(body: &[u8]) -> bool {
    let first = lines(body).next().unwrap_or_default();
    first.starts_with("-----BEGIN ") && first.ends_with("PRIVATE KEY-----")
}

fn is_web_config(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("<configuration") && (text.contains("<system.web") || text.contains("<connectionStrings"))
}

fn is_web_xml(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("<web-app") && !text.contains("<html")
}

fn is_app_settings(body: &[u8]) -> bool {
    json(body).get("ConnectionStrings").is_some_and(Value::is_object)
}

fn is_database_yml(body: &[u8]) -> bool {
    has_line(body, "adapter:") && has_line(body, "database:")
}

fn is_compose(body: &[u8]) -> bool {
    lines(body).any(|line| line == "services:") && (has_line(body, "image:") || has_line(body, "build:"))
}

fn is_php(body: &[u8]) -> bool {
    body.starts_with(b"<?php")
}

/// `[2026-01-01 00:00:00] production.ERROR: `
fn is_laravel_log(body: &[u8]) -> bool {
    lines(body).any(|line| {
        let rest = line.strip_prefix('[').and_then(|line| line.split_once("] "));
        let level = rest
            .and_then(|(_, rest)| rest.split_once(": "))
            .map(|(level, _)| level);
        level.is_some_and(|level| {
            level.contains(".ERROR") || level.contains(".INFO") || level.contains(".WARNING")
        })
    })
}

fn is_php_log(body: &[u8]) -> bool {
    let levels = [
        "] PHP Notice:",
        "] PHP Warning:",
        "] PHP Fatal error:",
        "] PHP Deprecated:",
        "] PHP Parse error:",
    ];
    lines(body).any(|line| line.starts_with('[') && levels.iter().any(|level| line.contains(level)))
}

fn is_sql(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&body[..body.len().min(SQL_HEAD)]);
    let dumped = [
        "-- MySQL dump",
        "-- MariaDB dump",
        "-- PostgreSQL database dump",
        "-- phpMyAdmin SQL Dump",
    ];
    dumped.iter().any(|mark| text.contains(mark)) && !text.contains("<html")
        || text.trim_start().starts_with("PRAGMA foreign_keys=OFF;")
}

/// APPNOTE, section 4.3.7.
fn is_zip(body: &[u8]) -> bool {
    body.starts_with(b"PK\x03\x04")
}

/// RFC 1952, section 2.3.1: DEFLATE is the one method.
fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b, 8])
}

/// POSIX.1-1988, pax(1): the magic of a ustar header.
fn is_tar(body: &[u8]) -> bool {
    body.get(257..262) == Some(b"ustar")
}

/// SQLite, "Database File Format", section 1.3.1.
fn is_sqlite(body: &[u8]) -> bool {
    body.starts_with(b"SQLite format 3\0")
}

fn is_phpinfo(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("phpinfo()")
        && text.contains("PHP Version")
        && text.contains("Configuration File (php.ini) Path")
}

fn is_server_status(body: &[u8]) -> bool {
    titled(
        body,
        "Apache Status",
        &["Apache Server Status for", "Server uptime"],
    )
}

fn is_server_info(body: &[u8]) -> bool {
    titled(body, "Server Information", &["Apache Server Information"])
}

fn is_nginx_status(body: &[u8]) -> bool {
    has_line(body, "Active connections:") && has_line(body, "server accepts handled requests")
}

/// Its links name endpoints beside those that tell nothing.
fn is_actuator(body: &[u8]) -> bool {
    let links = json(body);
    let named = |name: &&str| links.pointer(&format!("/_links/{name}/href")).is_some();
    [
        "env",
        "heapdump",
        "configprops",
        "beans",
        "threaddump",
        "loggers",
        "mappings",
    ]
    .iter()
    .any(named)
}

fn is_spring_env(body: &[u8]) -> bool {
    let settings = json(body);
    settings.get("propertySources").is_some_and(Value::is_array)
        || settings.get("systemProperties").is_some_and(Value::is_object)
}

fn is_jolokia(body: &[u8]) -> bool {
    json(body).pointer("/value/agent").is_some_and(Value::is_string)
}

fn is_werkzeug(body: &[u8]) -> bool {
    titled(body, "Console // Werkzeug Debugger", &["EVALEX"])
}

fn is_h2(body: &[u8]) -> bool {
    titled(body, "H2 Console", &["jsessionid"])
}

fn is_pprof(body: &[u8]) -> bool {
    titled(body, "/debug/pprof/", &["goroutine", "heap"])
}

/// The package expvar of Go.
fn is_expvar(body: &[u8]) -> bool {
    let settings = json(body);
    settings.get("cmdline").is_some_and(Value::is_array)
        && settings.get("memstats").is_some_and(Value::is_object)
}

/// Prometheus' text format.
fn is_metrics(body: &[u8]) -> bool {
    has_line(body, "# HELP ") && has_line(body, "# TYPE ")
}

fn is_symfony(body: &[u8]) -> bool {
    titled(body, "Symfony Profiler", &["sf-"])
}

fn is_rails(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    ["Rails version", "Rack version", "Application root"]
        .iter()
        .all(|mark| text.contains(mark))
}

fn is_elmah(body: &[u8]) -> bool {
    titled(body, "Error log for", &["ELMAH"])
}

fn is_trace(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("Application Trace") && text.contains("Physical Directory:")
}

fn is_adminer(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("Adminer</title>") && text.contains("adminer.org")
}

const SQL_HEAD: usize = 4096;
