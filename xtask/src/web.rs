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

/// Everything: types, lints, unit tests, the build and its sizes, and that the committed build is the current one.
pub(crate) fn check() -> Result {
    step("packages", || npm_ci("web"))?;
    let scripts = scripts();
    let npm = |script: &'static str, remedy: &'static str| {
        step(script, || {
            if !scripts.iter().any(|known| known == script) {
                return Err(Failure::new(
                    format!("web/package.json has no script `{script}`."),
                    "Add it: continuous integration runs it.",
                ));
            }
            run(&mut repo::command("web", "npm", &["run", "--silent", script]), remedy)
        })
    };
    npm("typecheck", "The TypeScript does not type-check; see above.")?;
    npm("lint", "Fix what the linter says above.")?;
    npm("test", "See the failed test above; `cargo xtask test web NAME` runs it alone.")?;
    step("web build", build_dist)?;
    npm("size", "A bundle is over its budget: make it smaller, or say in the commit why the budget must grow.")?;
    step("the committed build is the current one", committed)
}

fn build_dist() -> Result {
    run(&mut repo::command("web", "npm", &["run", "--silent", "build"]), "The web app does not build; see above.")
}

/// The build must be the one in the commit, and so must the types that come from the Rust ones: nobody needs Node to build the binary.
fn committed() -> Result {
    let outside =
        output(&mut repo::command(".", "git", &["status", "--porcelain", "--untracked-files=all", "--", "web"]))
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

fn scripts() -> Vec<String> {
    output(&mut repo::command(
        "web",
        "node",
        &["-p", "Object.keys(require('./package.json').scripts ?? {}).join('\\n')"],
    ))
    .unwrap_or_default()
    .lines()
    .map(str::to_owned)
    .collect()
}
