#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use scorehost_core::{DType, Tensor};
use serde_json::{Value, json};

use super::date::Moment;
use super::*;

struct At(Mutex<SystemTime>);

impl Clock for At {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        *self.0.lock()
    }
}

/// 2024-02-29T23:59:59.250Z.
fn leap_day() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_709_251_199_250)
}

fn start(folder: &Path, config: CollectorConfig) -> (Arc<At>, Arc<DataCollector>) {
    let clock = Arc::new(At(Mutex::new(leap_day())));
    (clock.clone(), DataCollector::start(folder.into(), config, clock).unwrap())
}

fn name() -> ServiceName {
    "echo".parse().unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn records_go_to_the_file_of_their_day() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, collector) = start(folder.path(), CollectorConfig::default());
    let service = collector.service(&name(), "3", true);
    assert!(service.enabled());
    let tensor = Tensor::from_f32([1u64, 4].as_slice(), &[0.1, -2.0, f32::NAN, f32::NEG_INFINITY]).unwrap();
    service.tensor("r1", "inputs", "x", &tensor);
    *clock.0.lock() += Duration::from_secs(1);
    service.json("r2", "inputs", r#"{"a": [1, "ü"]}"#);
    collector.flush();
    let day = |day: &str| folder.path().join("echo/3/inputs").join(day).join("data.jsonl");
    assert_eq!(
        lines(&day("2024/02/29")),
        [json!({"time": "2024-02-29T23:59:59.250Z", "request_id": "r1", "name": "x", "dtype": "FP32",
                "shape": [1, 4], "data": [0.1, -2.0, "NaN", "-inf"]})]
    );
    let next = json!({"time": "2024-03-01T00:00:00.250Z", "request_id": "r2", "document": {"a": [1, "ü"]}});
    assert_eq!(lines(&day("2024/03/01")), [next]);
    assert_eq!(collector.counts(), CollectorCounts { written: 2, dropped: 0, failed: 0 });
}

#[test]
fn every_dtype_reads_back() {
    let check = |dtype, data: &[u8], expected: Value| {
        let elements = expected.as_array().unwrap().len() as u64;
        let tensor = Tensor::new(dtype, [elements].as_slice(), Bytes::copy_from_slice(data)).unwrap();
        let content = record::Content::Tensor { name: "x".into(), tensor };
        let record = Record { folder: String::new(), time: leap_day(), request_id: "".into(), content };
        let line: Value = serde_json::from_slice(&record.line().unwrap()).unwrap();
        assert_eq!(line["data"], expected, "{dtype}");
    };
    check(DType::Bool, &[1, 0], json!([true, false]));
    check(DType::U8, &[7, 255], json!([7, 255]));
    check(DType::U16, &65535u16.to_le_bytes(), json!([65535]));
    check(DType::U32, &u32::MAX.to_le_bytes(), json!([u32::MAX]));
    check(DType::U64, &u64::MAX.to_le_bytes(), json!([u64::MAX]));
    check(DType::I8, &[0xff], json!([-1]));
    check(DType::I16, &(-2i16).to_le_bytes(), json!([-2]));
    check(DType::I32, &i32::MIN.to_le_bytes(), json!([i32::MIN]));
    check(DType::I64, &i64::MIN.to_le_bytes(), json!([i64::MIN]));
    check(DType::F16, &[0x00, 0x3c], json!([1.0]));
    check(DType::BF16, &[0x80, 0x3f], json!([1.0]));
    check(DType::F64, &0.25f64.to_le_bytes(), json!([0.25]));
    check(DType::Bytes, b"\x02\0\0\0hi\x01\0\0\0\xff", json!(["hi", [255]]));
}

#[test]
fn a_disabled_collector_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, collector) = start(folder.path(), CollectorConfig::default());
    let service = collector.service(&name(), "1", false);
    service.json("r", "inputs", "{}");
    collector.flush();
    assert!(!service.enabled());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn designations_cannot_leave_their_folder_or_be_without_number() {
    let folder = tempfile::tempdir().unwrap();
    let (_, collector) = start(folder.path(), CollectorConfig { max_designations: 2, ..CollectorConfig::default() });
    let service = collector.service(&name(), "1", true);
    for designation in ["../../etc", "..", "", "a/b", "a\0b", "inputs", "outputs", "third", "inputs"] {
        service.json("r", designation, "1");
    }
    collector.flush();
    assert_eq!(collector.counts(), CollectorCounts { written: 3, dropped: 6, failed: 0 });
    let mut found: Vec<_> =
        std::fs::read_dir(folder.path().join("echo/1")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort();
    assert_eq!(found, ["inputs", "outputs"]);
}

#[test]
fn what_is_too_large_is_dropped_and_what_is_no_json_fails() {
    let folder = tempfile::tempdir().unwrap();
    let config = CollectorConfig { max_record_bytes: 100, max_file_bytes: 150, ..CollectorConfig::default() };
    let (_, collector) = start(folder.path(), config);
    let service = collector.service(&name(), "1", true);
    service.json("r", "big", &format!("\"{}\"", "x".repeat(200)));
    service.json("r", "odd", "{");
    (0..5).for_each(|n| service.json("r", "many", &n.to_string()));
    collector.flush();
    assert_eq!(collector.counts(), CollectorCounts { written: 2, dropped: 4, failed: 1 });
}

#[test]
fn a_half_written_line_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo/1/inputs/2024/02/29/data.jsonl");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "{\"time\": \"20").unwrap();
    let (_, collector) = start(folder.path(), CollectorConfig::default());
    collector.service(&name(), "1", true).json("r", "inputs", "1");
    drop(collector);
    let text = std::fs::read_to_string(&file).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((last["document"].clone(), text.lines().count()), (json!(1), 2));
}

#[test]
fn dates_are_the_calendars() {
    let check = |days: u64, date| {
        assert_eq!(Moment::of(UNIX_EPOCH + Duration::from_secs(days * 86_400)).date(), date);
    };
    check(0, (1970, 1, 1));
    check(58, (1970, 2, 28));
    check(59, (1970, 3, 1));
    check(11_016, (2000, 2, 29));
    check(11_322, (2000, 12, 31));
    check(47_540, (2100, 2, 28));
    check(47_541, (2100, 3, 1));
}
