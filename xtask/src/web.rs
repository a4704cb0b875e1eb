//! The web app: built once, committed, embedded in the binary.

use crate::browser::npm_ci;
use crate::repo;
use crate::step::{Failure, Result, output, run, step};
use crate::tools;

/// Builds `web/dist`.
pub(crate) fn build() -> Result {
    tools::node()?;
    step("packages", || npm_ci("web"))?;
    step("web build", build_dist)
}

/// Runs the unit tests, or those that `filter` selects.
pub(crate) fn unit_tests(filter: Option<&str>) -> Result {
    step("packages", || npm_ci("web"))?;
    step("web tests", || {
        let mut arguments = vec!["vitest", "run"];
        arguments.extend(filter);
        run(
            &mut repo::command("web", "npx", &arguments),
            "See the failed test above; `cargo xtask test web NAME` runs it alone.",
        )
    })
}

/// Everything: types, unit tests, the build and its sizes, and that the committed build is the current one.
pub(crate) fn check() -> Result {
    step("packages", || npm_ci("web"))?;
    let npm = |name: &str, arguments: &[&str], remedy: &str| {
        step(name, || run(&mut repo::command("web", "npm", &[&["run", "--silent"], arguments].concat()), remedy))
    };
    let protocol =
        "Run `npm run protocol` in web/ and commit web/core/src/protocol.gen.ts: the protocol's types changed.";
    npm("protocol types", &["protocol", "--", "--check"], protocol)?;
    let types = "The TypeScript does not type-check; see above.";
    npm("types of the libraries", &["check"], types)?;
    npm("types of the app", &["check", "--workspaces", "--if-present"], types)?;
    npm("web tests", &["test"], "See the failed test above; `cargo xtask test web NAME` runs it alone.")?;
    step("web build", build_dist)?;
    npm(
        "sizes",
        &["size"],
        "A bundle is over its budget: make it smaller, or say in the commit why the budget must grow.",
    )?;
    step("the committed build is the current one", committed)
}

fn build_dist() -> Result {
    run(&mut repo::command("web", "npm", &["run", "--silent", "build"]), "The web app does not build; see above.")
}

/// The build must be the one in the commit, and so must the types that come from the Rust ones: nobody needs Node to build the binary.
fn committed() -> Result {
    let outside = output(&mut repo::command(
        ".",
        "git",
        &["status", "--porcelain", "--untracked-files=all", "--", "web/dist", "web/core/src/protocol.gen.ts"],
    ))
    .unwrap_or_default();
    if outside.is_empty() {
        return Ok(());
    }
    println!("{outside}");
    Err(Failure::new(
        "The files above differ from the commit after a fresh build.",
        "Commit them: run `cargo xtask web`, then `git add web` and commit. If you did not touch web/, the build is not reproducible.",
    ))
}
