#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;

use super::*;

fn floats(name: &str, shape: &[u64]) -> NamedTensor {
    let values: Vec<f32> = (0..shape.iter().product::<u64>()).map(|n| n as f32 + 0.5).collect();
    NamedTensor::new(name, Tensor::from_f32(shape, &values).unwrap())
}

fn table(tensors: &[NamedTensor], redact: &[&str]) -> (Vec<String>, Vec<Vec<String>>) {
    let redaction = Redaction::new(&redact.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let table = of_tensors(tensors, |name| name != "varying", &redaction);
    let names = table.columns.iter().map(|column| column.name.clone()).collect();
    let row = |row: &Vec<Cell>| row.iter().zip(&table.columns).map(|(cell, column)| cell.text(column.kind)).collect();
    (names, table.rows.iter().map(row).collect())
}

#[test]
fn a_batch_becomes_rows_and_its_features_columns() {
    let (names, rows) = table(&[floats("x", &[2, 3]), floats("y", &[2, 1]), floats("z", &[2])], &[]);
    assert_eq!(names, ["x_0", "x_1", "x_2", "y", "z"]);
    assert_eq!(rows, [["0.5", "1.5", "2.5", "0.5", "0.5"], ["3.5", "4.5", "5.5", "1.5", "1.5"]]);
}

#[test]
fn what_varies_or_is_large_is_one_column_of_json() {
    let (names, rows) = table(&[floats("varying", &[2, 2])], &[]);
    assert_eq!(
        (names, rows),
        (vec!["varying".to_owned()], vec![vec!["[0.5,1.5]".to_owned()], vec!["[2.5,3.5]".to_owned()]])
    );
    let (names, rows) = table(&[floats("image", &[1, 5, 13])], &[]);
    assert_eq!(names, ["image"]);
    let image: serde_json::Value = serde_json::from_str(&rows[0][0]).unwrap();
    assert_eq!((image.as_array().unwrap().len(), &image[4][12]), (5, &serde_json::json!(64.5)));
}

#[test]
fn tensors_of_different_batches_share_one_row() {
    let (names, rows) = table(&[floats("x", &[2]), floats("y", &[3])], &[]);
    assert_eq!((names.join(" "), rows.len()), ("x_0 x_1 y_0 y_1 y_2".to_owned(), 1));
}

#[test]
fn names_in_a_table_are_different() {
    let (names, _) = table(&[floats("x_0", &[1, 1]), floats("x", &[1, 2])], &[]);
    assert_eq!(names, ["x_0", "x_0_", "x_1"]);
}

#[test]
fn tensors_and_columns_are_redacted_by_name() {
    let (_, rows) = table(&[floats("x", &[1, 2]), floats("Y", &[1, 3])], &["x_1", "y"]);
    assert_eq!(rows, [["0.5", REDACTED, REDACTED]]);
}

#[test]
fn every_dtype_becomes_its_value() {
    let check = |dtype, data: &[u8], expected: &str| {
        let tensor = Tensor::new(dtype, [1u64].as_slice(), Bytes::copy_from_slice(data)).unwrap();
        let (_, rows) = table(&[NamedTensor::new("x", tensor)], &[]);
        assert_eq!(rows, [[expected]], "{dtype}");
    };
    check(DType::Bool, &[1], "true");
    check(DType::U8, &[255], "255");
    check(DType::U16, &65535u16.to_le_bytes(), "65535");
    check(DType::U32, &u32::MAX.to_le_bytes(), "4294967295");
    check(DType::U64, &u64::MAX.to_le_bytes(), "18446744073709551615");
    check(DType::I8, &[0xff], "-1");
    check(DType::I16, &(-2i16).to_le_bytes(), "-2");
    check(DType::I32, &i32::MIN.to_le_bytes(), "-2147483648");
    check(DType::I64, &i64::MIN.to_le_bytes(), "-9223372036854775808");
    check(DType::F16, &[0x00, 0x3c], "1");
    check(DType::BF16, &[0x80, 0x3f], "1");
    check(DType::F32, &0.1f32.to_le_bytes(), "0.1");
    check(DType::F32, &f32::NEG_INFINITY.to_le_bytes(), "-inf");
    check(DType::F64, &0.1f64.to_le_bytes(), "0.1");
    check(DType::Bytes, b"\x02\0\0\0hi", "hi");
    check(DType::Bytes, b"\x01\0\0\0\xff", "base64:/w==");
}
