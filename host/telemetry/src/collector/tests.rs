#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use scorehost_core::{
    Collection, CollectionFormat, InferRequest, InferResponse, ModelRef, NamedTensor, RawRequest, RawResponse, Tensor,
};

use super::date::Moment;
use super::*;

/// A clock that stands still until it is moved; both its times move together.
struct At(Mutex<Duration>, Instant);

impl Clock for At {
    fn now(&self) -> Instant {
        self.1 + *self.0.lock()
    }

    /// 2024-02-29T23:59:59.250Z at first.
    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_709_251_199_250) + *self.0.lock()
    }
}

struct Stage {
    folder: tempfile::TempDir,
    clock: Arc<At>,
    collector: Arc<DataCollector>,
}

impl Stage {
    fn new(config: CollectorConfig) -> Self {
        Self::on(tempfile::tempdir().unwrap(), config)
    }

    fn on(folder: tempfile::TempDir, config: CollectorConfig) -> Self {
        let clock = Arc::new(At(Mutex::default(), Instant::now()));
        let collector = DataCollector::start(folder.path().into(), config, clock.clone()).unwrap();
        Self { folder, clock, collector }
    }

    fn service(&self, collection: Collection) -> Arc<ServiceCollector> {
        self.collector.service(&spec(collection)).unwrap()
    }

    fn counts(&self) -> CollectorCounts {
        self.collector.flush();
        let counts = self.collector.counts();
        assert_eq!(counts.len(), 1);
        counts[0].1
    }

    fn text(&self, path: &str) -> String {
        self.collector.flush();
        let path = self.folder.path().join("modeldata/echo/net/7").join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Names of all files, sorted.
    fn names(&self) -> Vec<String> {
        self.collector.flush();
        let root = self.folder.path().join("modeldata");
        let name = |file: store::Found| file.path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = store::files(&root).into_iter().map(name).collect();
        names.sort();
        names
    }
}

fn spec(collection: Collection) -> ServiceSpec {
    let mut spec = ServiceSpec::new("echo".parse().unwrap());
    spec.models.push(ModelRef { id: "net:7".parse().unwrap() });
    spec.collection = Some(collection);
    spec
}

fn tensors(values: &[f32]) -> Vec<NamedTensor> {
    vec![NamedTensor::new("x", Tensor::from_f32([values.len() as u64].as_slice(), values).unwrap())]
}

fn infer(service: &ServiceCollector, id: &str, values: &[f32]) {
    let request = InferRequest { inputs: tensors(values), outputs: Vec::new() };
    let doubled: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
    if service.wants(id) {
        service.inferred(&id.into(), request, &InferResponse { outputs: tensors(&doubled), cached: None });
    }
}

fn records(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn requests_and_answers_go_to_the_files_of_their_day_with_a_row_for_each_item() {
    let stage = Stage::new(CollectorConfig::default());
    let service = stage.service(Collection::default());
    infer(&service, "r1", &[0.1, f32::NAN]);
    *stage.clock.0.lock() += Duration::from_secs(1);
    infer(&service, "r2", &[3.0]);
    let header = "x,$aml_dc_correlation_id,$aml_dc_scoring_timestamp,$aml_service_name,$aml_model_name,\
                  $aml_model_version,$aml_request_id,$service_version\n";
    let row = |value: &str, id: &str, at: &str| format!("{value},{id},{at},echo,net,7,{},1\n", &id[..2]);
    let (eve, day) = ("2024-02-29T23:59:59.250Z", "2024-03-01T00:00:00.250Z");
    let first = [row("0.1", "r1/0", eve), row("NaN", "r1/1", eve)].concat();
    assert_eq!(stage.text("inputs/2024/02/29/data.csv"), format!("{header}{first}"));
    assert_eq!(stage.text("inputs/2024/03/01/data.csv"), format!("{header}{}", row("3", "r2/0", day)));
    let doubled = [row("0.2", "r1/0", eve), row("NaN", "r1/1", eve)].concat();
    assert_eq!(stage.text("predictions/2024/02/29/data.csv"), format!("{header}{doubled}"));
    let counts = stage.counts();
    assert_eq!((counts.written, counts.dropped, counts.failed), (4, 0, 0));
    let on_disk = store::files(stage.folder.path()).iter().map(|file| file.bytes).sum::<u64>();
    assert_eq!(counts.bytes + 4 * header.len() as u64, on_disk);
}

#[test]
fn bodies_are_kept_with_their_status_and_redacted() {
    let stage = Stage::new(CollectorConfig::default());
    let service = stage.service(Collection { redact: vec!["ssn".into()], ..Collection::default() });
    let request = RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: "ssn=1&a=2".into(),
        body: Bytes::from_static(br#"{"people": [{"name": "A, \"B\"", "ssn": "123-45"}]}"#),
        content_type: Some("application/json".into()),
    };
    let headers = vec![("Content-Type".into(), "text/plain".into())];
    let answer = RawResponse { status: 422, headers, body: Bytes::from_static(b"ssn 123-45 is none") };
    service.scored(&"r1".into(), request, &answer);
    let inputs = records(&stage.text("inputs/2024/02/29/data.csv"));
    assert_eq!(inputs[0][..6], ["method", "path", "query", "content_type", "encoding", "body"]);
    let body = r#"{"people":[{"name":"A, \"B\"","ssn":"[redacted]"}]}"#;
    assert_eq!(inputs[1][..6], ["POST", "/", "ssn=[redacted]&a=2", "application/json", "text", body]);
    let outputs = records(&stage.text("predictions/2024/02/29/data.csv"));
    assert_eq!(outputs[1][..4], ["422", "text/plain", "text", "[redacted]"]);
    for name in stage.names() {
        assert!(
            !std::fs::read_to_string(stage.folder.path().join("modeldata").join(&name)).unwrap().contains("123-45")
        );
    }
}

#[test]
fn all_records_of_a_request_are_kept_or_none() {
    let stage = Stage::new(CollectorConfig::default());
    let service = stage.service(Collection { sample: 0.5, ..Collection::default() });
    for id in (0..200).map(|n| format!("r{n}")) {
        infer(&service, &id, &[1.0]);
        service.json(&id, "notes", "{}");
        service.json(&id, "notes", "{}");
    }
    let ids = |path: &str| -> std::collections::BTreeMap<String, usize> {
        let mut seen = std::collections::BTreeMap::new();
        for record in &records(&stage.text(path))[1..] {
            *seen.entry(record[record.len() - 2].clone()).or_default() += 1;
        }
        seen
    };
    let (inputs, notes) = (ids("inputs/2024/02/29/data.csv"), ids("notes/2024/02/29/data.csv"));
    assert!((60..140).contains(&inputs.len()), "{}", inputs.len());
    assert_eq!(inputs, ids("predictions/2024/02/29/data.csv"));
    assert!(notes.values().all(|count| *count == 2));
    assert_eq!(inputs.keys().collect::<Vec<_>>(), notes.keys().collect::<Vec<_>>());
}

#[test]
fn only_what_is_asked_for_is_kept() {
    let stage = Stage::new(CollectorConfig::default());
    let service = stage.service(Collection { inputs: false, custom: false, ..Collection::default() });
    infer(&service, "r1", &[1.0]);
    service.json("r1", "notes", "{}");
    assert!(!service.enabled());
    assert_eq!(stage.names(), ["echo/net/7/predictions/2024/02/29/data.csv"]);
    let mut plain = spec(Collection::default());
    plain.collection = None;
    assert!(stage.collector.service(&plain).is_none());
}

#[test]
fn designations_cannot_leave_their_folder_or_be_without_number() {
    let stage = Stage::new(CollectorConfig { max_designations: 2, ..CollectorConfig::default() });
    let service = stage.service(Collection::default());
    for designation in ["../../etc", "..", "", "a/b", "a\0b", "one", "two", "third", "one"] {
        service.json("r", designation, "1");
    }
    let counts = stage.counts();
    assert_eq!((counts.written, counts.dropped), (3, 6));
    assert_eq!(stage.names().len(), 2);
}

#[test]
fn what_is_too_large_is_dropped_and_what_is_no_json_fails() {
    let stage = Stage::new(CollectorConfig { max_record_bytes: 100, ..CollectorConfig::default() });
    let service = stage.service(Collection::default());
    service.json("r", "big", &format!("\"{}\"", "x".repeat(200)));
    service.json("r", "odd", "{");
    let counts = stage.counts();
    assert_eq!((counts.written, counts.dropped, counts.failed), (0, 1, 1));
}

#[test]
fn a_queue_that_is_full_drops_and_counts() {
    let stage = Stage::new(CollectorConfig { max_queued_bytes: 40, ..CollectorConfig::default() });
    let service = stage.service(Collection::default());
    service.json("r", "notes", &format!("\"{}\"", "x".repeat(100)));
    service.json("r", "notes", "1");
    let counts = stage.counts();
    assert_eq!((counts.written, counts.dropped), (1, 1));
}

#[test]
fn what_a_crash_cut_off_is_removed_and_the_file_goes_on() {
    let stage = Stage::new(CollectorConfig::default());
    stage.service(Collection::default()).json("r1", "notes", "\"one\"");
    let whole = stage.text("notes/2024/02/29/data.csv");
    let Stage { folder, collector, .. } = stage;
    drop(collector);
    let path = folder.path().join("modeldata/echo/net/7/notes/2024/02/29/data.csv");
    std::fs::write(&path, format!("{whole}\"{{\"\"torn\"\":\n")).unwrap();
    let stage = Stage::on(folder, CollectorConfig::default());
    stage.service(Collection::default()).json("r2", "notes", "\"two\"");
    let records = records(&stage.text("notes/2024/02/29/data.csv"));
    assert_eq!(records.iter().map(|record| &*record[0]).collect::<Vec<_>>(), ["document", "\"one\"", "\"two\""]);
    assert_eq!(stage.names().len(), 1);
}

#[test]
fn another_layout_is_another_file() {
    let stage = Stage::new(CollectorConfig::default());
    let service = stage.service(Collection::default());
    let tensor = |values: &[f32]| Tensor::from_f32([1, values.len() as u64].as_slice(), values).unwrap();
    for values in [&[1.0][..], &[1.0, 2.0], &[3.0]] {
        service.tensor("r", "notes", "x", &tensor(values));
    }
    assert_eq!(records(&stage.text("notes/2024/02/29/data.csv")).len(), 3);
    assert_eq!(records(&stage.text("notes/2024/02/29/data-1.csv"))[0][..2], ["x_0", "x_1"]);
}

#[test]
fn the_oldest_files_go_where_a_service_has_too_many_bytes() {
    let max_bytes = 64_000;
    let stage = Stage::new(CollectorConfig::default());
    let service = stage.service(Collection { max_bytes, ..Collection::default() });
    for n in 0..400 {
        service.json(&format!("r{n}"), "notes", &format!("\"{}\"", "x".repeat(500)));
        if n == 200 {
            *stage.clock.0.lock() += Duration::from_secs(1);
        }
    }
    let counts = stage.counts();
    assert_eq!((counts.written, counts.dropped, counts.failed), (400, 0, 0));
    let names = stage.names();
    let root = stage.folder.path().join("modeldata");
    let bytes: u64 = names.iter().map(|name| std::fs::metadata(root.join(name)).unwrap().len()).sum();
    assert!(bytes <= max_bytes && bytes > max_bytes / 2, "{bytes}");
    assert!(names.iter().all(|name| name.contains("2024/03/01")), "{names:?}");
    assert!(!root.join("echo/net/7/notes/2024/02").exists());
    let last = names.iter().any(|name| std::fs::read_to_string(root.join(name)).unwrap().contains(",r399,"));
    assert!(last, "the newest record is kept");
}

#[test]
fn parquet_files_have_types_and_appear_when_they_are_complete() {
    let stage = Stage::new(CollectorConfig::default());
    let collection =
        Collection { format: CollectionFormat::Parquet, redact: vec!["secret".into()], ..Collection::default() };
    let service = stage.service(collection);
    let inputs = vec![
        NamedTensor::new("x", Tensor::from_f32([2u64, 2].as_slice(), &[1.5, 2.5, -1.0, 0.0]).unwrap()),
        NamedTensor::new("label", Tensor::from_byte_strings([2u64].as_slice(), ["a", "ü"]).unwrap()),
        NamedTensor::new("secret", Tensor::from_f32([2u64].as_slice(), &[7.0, 8.0]).unwrap()),
    ];
    service.describe(&interface());
    service.inferred(
        &"r1".into(),
        InferRequest { inputs, outputs: Vec::new() },
        &InferResponse { outputs: Vec::new(), cached: None },
    );
    stage.collector.flush();
    let path = stage.folder.path().join("modeldata/echo/net/7/inputs/2024/02/29/data.parquet");
    let on_disk = store::files(stage.folder.path()).iter().map(|file| file.bytes).sum::<u64>();
    assert_eq!(stage.counts().bytes, on_disk);
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[1].get_float(0).unwrap(), rows[1].get_float(1).unwrap()), (-1.0, 0.0));
    assert_eq!((rows[1].get_string(2).unwrap().as_str(), rows[1].get_string(3).unwrap().as_str()), ("ü", "[redacted]"));
    assert_eq!(rows[0].get_string(4).unwrap(), "r1/0");
    assert_eq!(rows[0].get_timestamp_millis(5).unwrap(), 1_709_251_199_250);
    assert!(stage.names().iter().all(|name| name.ends_with(".parquet")));
}

fn interface() -> scorehost_core::Interface {
    let spec = |name: &str, shape: &[i64]| scorehost_core::TensorSpec {
        name: name.into(),
        dtype: scorehost_core::DType::F32,
        shape: shape.to_vec(),
    };
    let inputs = vec![spec("x", &[-1, 2]), spec("label", &[-1]), spec("secret", &[-1])];
    scorehost_core::Interface::Tensors(scorehost_core::Signature { inputs, outputs: Vec::new() })
}

#[test]
fn parquet_that_a_crash_left_unfinished_is_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let day = folder.path().join("modeldata/echo/net/7/notes/2024/02/29");
    std::fs::create_dir_all(&day).unwrap();
    std::fs::write(day.join("data.parquet.unfinished"), b"PAR1 and no end").unwrap();
    let stage = Stage::on(folder, CollectorConfig::default());
    stage.service(Collection { format: CollectionFormat::Parquet, ..Collection::default() }).json("r", "notes", "1");
    assert_eq!(stage.names(), ["echo/net/7/notes/2024/02/29/data.parquet"]);
}

#[test]
fn finished_files_arrive_in_the_store_once_and_are_gone_on_with_under_another_name() {
    use object_store::{ObjectStoreExt, memory::InMemory};

    let (folder, memory) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
    let clock = Arc::new(At(Mutex::default(), Instant::now()));
    let start = || {
        let to = Destination::of_store(memory.clone());
        DataCollector::uploading(folder.path().into(), CollectorConfig::default(), clock.clone(), to).unwrap()
    };
    let collector = start();
    let write = |collector: &Arc<DataCollector>, text: &str| {
        let service = collector.service(&spec(Collection::default())).unwrap();
        service.json("r", "notes", text);
        collector.flush();
    };
    write(&collector, "1");
    write(&collector, "2");
    assert_eq!(collector.uploads(), Some(UploadCounts { sent: 2, failed: 0, waiting: 0 }));
    drop(collector);
    let collector = start();
    write(&collector, "3");
    assert_eq!(collector.uploads().unwrap().sent, 1, "what was sent before the restart is not sent again");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, value) in [("data.csv", "1"), ("data-1.csv", "2"), ("data-2.csv", "3")] {
        let key = format!("prefix/modeldata/echo/net/7/notes/2024/02/29/{name}").into();
        let content = runtime.block_on(async { memory.get(&key).await.unwrap().bytes().await.unwrap() });
        assert_eq!(records(std::str::from_utf8(&content).unwrap())[1][0], value);
    }
}

#[test]
fn dates_are_the_calendars() {
    let check = |days: u64, folder: &str, text: &str| {
        let moment = Moment::of(UNIX_EPOCH + Duration::from_millis(days * 86_400_000 + 86_399_007));
        assert_eq!((moment.folder().as_str(), moment.rfc3339().as_str()), (folder, text));
        assert_eq!((moment.day, Moment::at(moment.since_1970())), (days, moment));
    };
    check(0, "1970/01/01", "1970-01-01T23:59:59.007Z");
    check(58, "1970/02/28", "1970-02-28T23:59:59.007Z");
    check(59, "1970/03/01", "1970-03-01T23:59:59.007Z");
    check(11_016, "2000/02/29", "2000-02-29T23:59:59.007Z");
    check(47_541, "2100/03/01", "2100-03-01T23:59:59.007Z");
    assert_eq!(Moment::at(i64::MAX).folder(), "9999/12/30", "what is later than the calendar stays on its last day");
    assert_eq!(Moment::at(-1).folder(), "1970/01/01");
}

#[test]
fn a_folder_of_former_files_is_known_by_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["data.csv", "data-2.csv", ".data-7.csv.sent", "data-9.parquet", "datax.csv", "note.csv"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    assert_eq!(part::numbers(Path::new(folder.path()), "csv").unwrap(), [0, 2, 7]);
}
