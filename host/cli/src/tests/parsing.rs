use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};

fn parse(line: &str) -> Cli {
    Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_documented_command_line_parses() {
    for line in [
        "scorehost serve --data-dir DIR",
        "scorehost serve --data-dir DIR --http 127.0.0.1:8080 --grpc 127.0.0.1:8081",
        "scorehost model register --name NAME --path FILE --tag k=v --tag l=w --description TEXT",
        "scorehost model list",
        "scorehost model show NAME",
        "scorehost model show NAME:3",
        "scorehost model download NAME:3 -o DIR",
        "scorehost model delete NAME:3",
        "scorehost scorer new python DIR",
        "scorehost scorer build DIR -o OUT.wasm",
        "scorehost scorer inspect OUT.wasm",
        "scorehost deploy -n service -m NAME:1 -m OTHER:2",
        "scorehost deploy -n service -m NAME:1 --scorer OUT.wasm --dc deploymentconfig.json",
        "scorehost deploy -n service -m NAME:1 --ic inferenceconfig.json --dc deploymentconfig.json",
        "scorehost deploy -n service -m NAME:1 --version v2 --traffic 10 --no-auth --wait",
        "scorehost service update service --set maxQueueWaitMs=100 --set autoScaler.maxReplicas=4 --dc FILE --var A=1",
        "scorehost service scale service --replicas 3",
        "scorehost service scale service --min 0 --max 4 --version v2",
        "scorehost service keys service",
        "scorehost service keys service --regenerate primary --key-file FILE",
        "scorehost service token service",
        "scorehost service operations",
        "scorehost service operations service",
        "scorehost endpoint show service",
        "scorehost endpoint traffic service v2=10 v3=5.5",
        "scorehost endpoint promote service v2",
        "scorehost endpoint control service v2",
        "scorehost endpoint control service --none",
        "scorehost endpoint sticky service --header x-user",
        "scorehost endpoint sticky service --caller",
        "scorehost endpoint sticky service --none",
        "scorehost endpoint shadow service v2 --percent 10",
        "scorehost endpoint shadow service --none",
        "scorehost endpoint delete service v2",
        "scorehost endpoint report service",
        "scorehost service list",
        "scorehost service show service",
        "scorehost service logs service --follow",
        "scorehost service delete service",
        "scorehost score service --file BODY --content-type image/jpeg",
        "scorehost score service",
        "scorehost run --scorer OUT.wasm -m a.onnx b.onnx --file BODY",
        "scorehost --server http://127.0.0.1:9 model list --output json",
        "scorehost devices",
        "scorehost schema deploymentconfig",
        "scorehost schema inferenceconfig",
        "scorehost schema fpga",
        "scorehost completions bash",
        "scorehost version",
        "scorehost operation show 1-1",
        "scorehost operation list",
        "scorehost operation cancel 1-1",
        "scorehost serve --data-dir DIR --max-replica-memory 2GiB --max-replica-cores 1.5",
        "scorehost size --rps 20 --latency-ms 10000 --target-utilization 70 --concurrent 1 --cpu 0.1 --memory 1GiB",
        "scorehost simulate --trace spike --policy kpa --rps 100 --seconds 60",
    ] {
        parse(line);
    }
}

#[test]
fn wrong_command_lines_are_refused_with_the_rule() {
    let check = |line: &str, named: &str| {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(named), "{line}: {error}");
    };
    check("scorehost model register --name ../x --path F", "must be 1-255 characters");
    check("scorehost model delete NAME", "NAME:VERSION");
    check("scorehost model register --name N --path F --tag novalue", "KEY=VALUE");
    check("scorehost deploy -n X -m N:1", "3-32 characters");
    check("scorehost deploy -n svc -m N:1 --scorer A --ic B", "cannot be used with");
    check("scorehost deploy -n svc -m N:1 --version V2", "whole number from 1 on");
    check("scorehost deploy -n svc -m N:1 --traffic 101", "from 0 to 100");
    check("scorehost service scale svc", "--replicas");
    check("scorehost service scale svc --replicas 1 --max 2", "cannot be used with");
    check("scorehost service keys svc --key-file F", "--regenerate");
    check("scorehost endpoint traffic svc", "VERSION=PERCENT");
    check("scorehost endpoint traffic svc v2", "expected VERSION=PERCENT");
    check("scorehost endpoint shadow svc", "VERSION");
    check("scorehost endpoint control svc v2 --none", "cannot be used with");
    check("scorehost endpoint sticky svc", "--header");
    check("scorehost serve", "--data-dir");
    check("scorehost serve --data-dir D --max-replica-memory 0", "such as 512MiB or 2GiB");
    check("scorehost serve --data-dir D --max-replica-cores 0", "above 0");
    check("scorehost serve --data-dir D --http localhost", "--http");
    check("scorehost model list --output xml", "json");
    check("scorehost modle list", "model");
}

#[test]
fn serve_has_the_documented_defaults() {
    let Command::Serve(options) = parse("scorehost serve --data-dir D").command else { panic!("another command") };
    assert_eq!(
        (options.http.to_string(), options.grpc.to_string()),
        ("127.0.0.1:8080".into(), "127.0.0.1:8081".into())
    );
    assert_eq!((options.max_models, options.data_dir), (1000, PathBuf::from("D")));
}

#[test]
fn the_reference_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
    let page = crate::reference::markdown();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/reference/cli.md is not current: UPDATE_REFERENCE=1 cargo nextest run -p scorehost-cli"
    );
}

/// Every user of a machine can read the arguments of its processes, so secrets come from files, variables and standard input.
#[test]
fn no_secret_is_an_argument() {
    fn check(command: &clap::Command) -> usize {
        let of_secret =
            |name: &str| ["key", "token", "secret", "credential", "password"].iter().any(|word| name.contains(word));
        let arguments = command.get_arguments().filter(|argument| of_secret(argument.get_id().as_str()));
        let found = arguments
            .inspect(|argument| {
                let text = argument.get_value_parser().type_id() == std::any::TypeId::of::<String>();
                assert!(!text, "{} takes {} as it is", command.get_name(), argument.get_id());
            })
            .count();
        found + command.get_subcommands().map(check).sum::<usize>()
    }
    let mut root = Cli::command();
    root.build();
    assert!(check(&root) > 10, "files with secrets are found");
}
