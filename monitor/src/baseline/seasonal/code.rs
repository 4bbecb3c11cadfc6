//! As bytes: a version, the hours that are known, the scatter, the hour that is not over.

use super::hours::{Day, Hour, Hours, Level, MOST_DAYS};
use super::{Current, Seasonal};
use crate::baseline::bytes::{Bytes, put, put_f32};

const VERSION: u8 = 1;

pub(super) fn encode(seasonal: &Seasonal) -> Vec<u8> {
    let mut out = vec![VERSION];
    put(&mut out, seasonal.hours.days.len() as u64);
    for day in &seasonal.hours.days {
        put(&mut out, day.number);
        for hour in day.hours.iter() {
            put(&mut out, hour.windows.into());
            if hour.windows > 0 {
                out.extend(hour.mean.0.to_le_bytes());
                out.extend(hour.most.0.to_le_bytes());
            }
        }
    }
    put(&mut out, seasonal.spread.week);
    for count in seasonal.spread.cells.iter().flatten().flatten() {
        put(&mut out, (*count).into());
    }
    let current = seasonal.current.unwrap_or_default();
    put(&mut out, current.windows.into());
    put(&mut out, current.number);
    put(&mut out, current.most);
    put_f32(&mut out, current.sum as f32);
    out
}

pub(super) fn decode(bytes: &[u8]) -> Option<Seasonal> {
    let mut bytes = Bytes(bytes);
    if bytes.byte()? != VERSION {
        return None;
    }
    let mut seasonal = Seasonal::new();
    let count = bytes.at_most(MOST_DAYS)?;
    let days = (0..count).map(|_| day(&mut bytes)).collect::<Option<Vec<Day>>>()?;
    seasonal.hours = Hours { days };
    seasonal.spread.week = bytes.number()?;
    for count in seasonal.spread.cells.iter_mut().flatten().flatten() {
        *count = u16::try_from(bytes.number()?).ok()?;
    }
    let current = Current {
        windows: u32::try_from(bytes.number()?).ok()?,
        number: bytes.number()?,
        most: bytes.number()?,
        sum: bytes.f32()?.into(),
    };
    seasonal.current = (current.windows > 0).then_some(current);
    Some(seasonal)
}

fn day(bytes: &mut Bytes<'_>) -> Option<Day> {
    let number = bytes.number()?;
    let mut hours = Box::new([Hour::default(); 24]);
    for hour in hours.iter_mut() {
        hour.windows = u16::try_from(bytes.number()?).ok()?;
        if hour.windows > 0 {
            hour.mean = Level(bytes.short()?);
            hour.most = Level(bytes.short()?);
        }
    }
    Some(Day { number, hours })
}
