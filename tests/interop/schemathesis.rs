//! The API against its own description: schemathesis makes requests of every route from what `/api/v1/openapi.json`
//! says, fit and unfit ones, and looks at each answer.

use crate::support::World;
use std::path::Path;
use std::process::Command;

/// Requests of one kind to one route.
const EXAMPLES_MAX: &str = "15";
/// Where `tests/run` installs it.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/schemathesis");

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_that_the_description_names() {
    if !Path::new(PROGRAM).exists() {
        eprintln!("NOT TESTED: schemathesis is not there; tests/run installs it");
        return;
    }
    let limits =
        "[api]\nrequests_per_minute_max = 1000000\nrequests_per_minute_per_address_max = 1000000\n";
    let world = World::with(limits).await;
    let rights = relent::accounts::Right::ALL.iter().flat_map(|(_, name, _)| ["--right", name]);
    let mut arguments = vec!["credential", "add", "acme", "--name", "judge", "--json"];
    arguments.extend(rights);
    let made = world.done(&arguments).json();
    let field = format!("Authorization: Bearer {}", made["token"].as_str().expect("a token"));
    let url = format!("http://127.0.0.1:{}/api/v1/openapi.json", world.ports.http[0]);
    let output = tokio::task::spawn_blocking(move || {
        Command::new(PROGRAM)
            .current_dir(std::env::temp_dir())
            .args(["run", &url, "--header", &field, "--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", EXAMPLES_MAX, "--seed", "7", "--continue-on-failure"])
            // A stream of events does not end; a credential that revoked itself would be heard no more.
            .args(["--exclude-path", "/api/v1/events/follow", "--request-timeout", "20"])
            .args(["--exclude-path", "/api/v1/accounts/{account}/credentials/{name}"])
            // Of messages it cannot make any.
            .args(["--exclude-operation-id", "post_explain"])
            .args(["--suppress-health-check", "all", "--no-color", "--generation-database", "none"])
            .args([
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance",
            ])
            .args(["--checks", "response_schema_conformance"])
            .output()
    });
    let output = output.await.expect("it ran").expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("passed") || said.contains("No issues found"), "{said}");
}
