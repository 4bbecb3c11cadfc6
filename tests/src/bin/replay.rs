//! Measures how fast captures are replayed. Usage: replay [--transactions N] [--rounds N] [--directory DIR]
//! [--keep SHAPE]
//!
//! Makes captures in DIR, prints a table, and removes them. With --keep it only writes the capture of that shape there.

use std::fs::File;
use std::io::BufWriter;

use anyhow::{Context, bail};
use monitor_tests::bench::replay::traffic::{self, Shape};
use monitor_tests::bench::replay::{Plan, measure, table};

fn main() -> anyhow::Result<()> {
    let mut plan = Plan {
        transactions: 1_000_000,
        rounds: 3,
        directory: std::env::temp_dir().join("monitor-replay"),
    };
    let mut keep = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--transactions" => plan.transactions = value.parse().with_context(|| format!("{flag} {value}"))?,
            "--rounds" => plan.rounds = value.parse().with_context(|| format!("{flag} {value}"))?,
            "--directory" => plan.directory = value.into(),
            "--keep" => keep = Some(value),
            _ => bail!("{flag} is not known: --transactions, --rounds, --directory, --keep"),
        }
    }
    let Some(name) = keep else {
        println!("{}", table(&measure(&plan)?));
        return Ok(());
    };
    let shape = Shape::ALL.into_iter().find(|shape| shape.name() == name);
    let shape = shape.with_context(|| format!("no shape is called {name}"))?;
    std::fs::create_dir_all(&plan.directory)?;
    let path = plan.directory.join(format!("{name}.pcap"));
    let mut file = BufWriter::new(File::create(&path)?);
    let bytes = traffic::write(&mut file, shape, plan.transactions)?;
    println!("{}: {bytes} bytes", path.display());
    Ok(())
}
