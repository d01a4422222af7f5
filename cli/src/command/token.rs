//! Tokens.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use vedette_protocol::api::{CreatedToken, NewToken, Token, TokenKind};

use super::{Outcome, Show, print};
use crate::arguments;
use crate::choice::choose;
use crate::file;
use crate::platform::Platform;
use crate::table::Table;

pub(super) async fn run(platform: &Platform, asked: arguments::Token, show: Show) -> Result<Outcome> {
    match asked {
        arguments::Token::Create {
            kind,
            name,
            valid_for,
            out,
        } => {
            let kind = kind.into();
            let valid_for = valid_for.map(|asked| asked.within(kind)).transpose()?;
            let new = NewToken {
                name,
                kind,
                valid_for: valid_for.map(|validity| validity.as_secs()),
            };
            create(platform, &new, out.as_deref(), show).await?;
        }
        arguments::Token::List => {
            let tokens: Vec<Token> = platform.list("/tokens").await?;
            show.value(&tokens, || table(&tokens))?;
        }
        arguments::Token::Revoke { token } => {
            let tokens: Vec<Token> = platform.list("/tokens").await?;
            let token = choose(
                "token",
                &token,
                &tokens,
                |token| token.id.clone(),
                |token| Some(&token.name),
            )?;
            platform.delete(&format!("/tokens/{}", token.id)).await?;
            show.note(&format!("revoked {} ({})", token.name, token.id))?;
        }
    }
    Ok(Outcome::Done)
}

async fn create(platform: &Platform, new: &NewToken, out: Option<&Path>, show: Show) -> Result<()> {
    // Before the token is made: one whose secret cannot be kept would only lie around.
    let file = out.map(file::new).transpose()?;
    let created: CreatedToken = platform.post("/tokens", new).await?;
    match (file, out) {
        (Some(mut file), Some(path)) => {
            writeln!(file, "{}", created.secret).with_context(|| format!("writing {}", path.display()))?;
            show.value(&created.token, || {
                let mut table = table(std::slice::from_ref(&created.token));
                table.note(&format!("its secret is in {}", path.display()));
                table
            })
        }
        // Alone on standard output, so that a script can take it.
        _ if !show.json => {
            // A courtesy to people, as progress is.
            let _unread = writeln!(std::io::stderr(), "valid until {}", created.token.expires);
            print(&format!("{}\n", created.secret))
        }
        _ => show.value(&created, Table::record),
    }
}

fn table(tokens: &[Token]) -> Table {
    let mut table = Table::list(["ID", "NAME", "KIND", "CREATED", "EXPIRES", "USED"]);
    for token in tokens {
        let kind = match token.kind {
            TokenKind::Api => "api",
            TokenKind::Activation => "activation",
        };
        let used = token
            .used
            .map_or_else(|| "never".to_owned(), |used| used.to_string());
        table.row([
            &token.id,
            &token.name,
            kind,
            &token.created.to_string(),
            &token.expires.to_string(),
            &used,
        ]);
    }
    table.when_empty("no tokens");
    table
}
