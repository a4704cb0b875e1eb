//! The command line. The flags of the configuration come from its table of keys.

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, Command, value_parser};
use parlour_server::config::{Config, Key, env_name, flag_name};

/// The whole command line.
pub(crate) fn command() -> Command {
    let root = Command::new("parlour")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Calls in the browser, from one command")
        .long_about(
            "Calls in the browser, from one command.\n\n\
             Without a command, parlour serves: it prints an address and a QR code, people open it in their browsers and \
             are in a call.",
        )
        .after_help(
            "Examples:\n  \
             parlour                                    serve on this computer and the local network\n  \
             parlour --domain meet.example.org          serve on the Internet, with a certificate by ACME\n  \
             parlour --auth-mode password --auth-password @password.txt\n                                             \
             let in only those who know the password\n  \
             parlour --listen 192.0.2.2:9443 --http off choose the address, HTTPS only\n  \
             parlour config > parlour.toml              begin a configuration file\n  \
             parlour token --room team --role host      make a key to the room for one person\n  \
             parlour turn --auth-secret @secret.txt     a TURN relay alone, for other servers' calls\n\n\
             Each option is also a key of parlour.toml and a variable PARLOUR_…; parlour serve --help shows them all.",
        )
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(serving(Command::new("serve").about("Serve calls; the same as no command").after_help(EXIT_CODES)))
        .subcommand(
            configured(Command::new("config").about("Print the effective configuration, with the source of each value"))
                .arg(json("Print JSON instead of TOML"))
                .after_help(
                    "Examples:\n  parlour config\n  parlour config > parlour.toml\n  \
                     PARLOUR_ROOM_MAX_PEERS=20 parlour config --json",
                ),
        )
        .subcommand(token())
        .subcommand(crate::turn::command())
        .subcommand(Command::new("schema").about("Print the JSON Schema of the signaling protocol"))
        .subcommand(
            Command::new("completions")
                .about("Print the completion script of a shell")
                .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(clap_complete::Shell)))
                .after_help("Example:\n  parlour completions bash > ~/.local/share/bash-completion/completions/parlour"),
        );
    serving(root)
}

const EXIT_CODES: &str = "Exit codes:\n  \
    0  stopped as asked\n  1  another error\n  2  bad usage or configuration\n  3  a port cannot be used\n  \
    4  the data directory or the database cannot be used\n  5  a certificate or key cannot be used\n  \
    70 a bug in parlour\n  130 stopped at once by a second signal";

fn serving(command: Command) -> Command {
    configured(command).arg(json("Print one JSON object per event for programs, the first when ready")).arg(
        Arg::new("no-qr").long("no-qr").action(ArgAction::SetTrue).help("Do not draw the QR code").display_order(0),
    )
}

fn configured(command: Command) -> Command {
    let keys = Config::keys().map(key_arg).collect::<Vec<_>>();
    command.arg(config_file()).args(keys)
}

fn config_file() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("Read this configuration file instead of parlour.toml in the current directory [env: PARLOUR_CONFIG]")
        .display_order(0)
}

fn json(help: &'static str) -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help(help).display_order(0)
}

/// The flag of a configuration key. Its value is checked with the rest of the configuration.
fn key_arg(key: &'static Key) -> Arg {
    let heading = match key.path.split_once('.') {
        Some((section, _)) => format!("[{section}]"),
        None => "Configuration".into(),
    };
    let default = match (key.get)(&Config::default()) {
        value if value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty) => String::new(),
        toml::Value::String(text) => format!("default: {text}; "),
        other => format!("default: {other}; "),
    };
    let env = env_name(key.path);
    let long = format!("{}\n\nAllowed: {}", key.help(), (key.allowed)());
    let arg = Arg::new(key.path)
        .long(flag_name(key.path))
        .value_name(key.metavar)
        .help(format!("{} [{default}env: {env}]", key.help()))
        .long_help(format!("{long}\n[{default}env: {env}]"))
        .help_heading(heading)
        .allow_hyphen_values(true)
        // An empty value takes an optional setting back.
        .value_parser(ValueParser::string())
        .action(ArgAction::Append);
    if key.switch { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg }
}

fn token() -> Command {
    Command::new("token")
        .about("Make a token that lets one person into a room")
        .long_about(
            "Make a token (a JWT) that lets one person into a room of a server with auth.mode = \"token\".\n\n\
             It is signed with a key of auth.jwt, or with the key that the server keeps in its data directory.",
        )
        .arg(
            Arg::new("room")
                .long("room")
                .value_name("ROOM")
                .required(true)
                .help("The room; team/* is every room that begins with team/"),
        )
        .arg(
            Arg::new("role")
                .long("role")
                .value_name("ROLE")
                .default_value("guest")
                .value_parser(PossibleValuesParser::new(["host", "speaker", "guest", "viewer"]))
                .help("What the person may do"),
        )
        .arg(Arg::new("ttl").long("ttl").value_name("TIME").default_value("1h").help("How long the token can be used"))
        .arg(Arg::new("name").long("name").value_name("NAME").help("The person's name, which cannot be changed then"))
        .arg(Arg::new("sub").long("sub").value_name("ID").help("The person's identifier in your own system"))
        .arg(
            Arg::new("key").long("key").value_name("KID").help("The kid of the key to sign with, if there are several"),
        )
        .arg(Arg::new("data").long("data").value_name("PATH").help("The server's data directory [env: PARLOUR_DATA]"))
        .arg(config_file())
        .arg(json("Print the token with its claims as JSON"))
        .after_help(
            "Examples:\n  parlour token --room team --role host\n  parlour token --room 'class/*' --ttl 7d --name Ann",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_key_is_a_flag_of_serve() {
        let serve = command();
        let serve = serve.find_subcommand("serve").unwrap();
        for key in Config::keys() {
            let arg = serve.get_arguments().find(|arg| arg.get_id() == key.path).unwrap();
            assert_eq!(arg.get_long(), Some(flag_name(key.path).as_str()));
        }
    }
}
