//! Events told by two threads while the journal takes them, on a real disk: how many a second are there and synced,
//! until the last is there, how many were told, and how many never reached the disk.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use loopgate::{
    store::{Home, RealDisk},
    swarm::events::{DIRECTORY, Draft, Filter, Hub, Name, Query, Settings},
    sys::clock::SystemClock,
};

use crate::report::{Goal, Report, median};

/// Threads that tell of events, one for each of two cores.
const THREADS: usize = 2;
/// How long the disk may take for the last of them.
const STOP: Duration = Duration::from_secs(30);

/// Events a second, and what became of them.
pub fn measure(rounds: usize, round: Duration, report: &mut Report) -> io::Result<()> {
    let (mut synced, mut rates, mut lost, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for at in 0..rounds {
        let scratch = Scratch::new(at)?;
        let hub = open(&scratch.0)?;
        hub.start()?;
        let since = Instant::now();
        let told: u64 = std::thread::scope(|scope| {
            let publish = |who: usize| {
                let hub = Arc::clone(&hub);
                move || {
                    let mut told = 0_u64;
                    while since.elapsed() < round {
                        hub.publish(event(who, told));
                        told += 1;
                    }
                    told
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|who| scope.spawn(publish(who))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
        });
        rates.push(told as f64 / since.elapsed().as_secs_f64());
        hub.stop(Instant::now() + STOP);
        // What is there now is synced: the time until then is what it took.
        let took = since.elapsed().as_secs_f64();
        let missing = hub.health().map_or(0, |health| health.lost);
        lost.push(missing as f64);
        synced.push(told.saturating_sub(missing) as f64 / took);
        drop(hub);
        // The newest of them: the older ones made room.
        kept.push(count(&*open(&scratch.0)?)? as f64);
    }
    let (synced, rate) = (median(&mut synced).round(), median(&mut rates).round());
    report.figure("events written and synced, 2 threads", synced, "/s", Goal::AtLeast(100_000.0));
    report.figure("events told, 2 threads", rate, "/s", Goal::None);
    report.figure("events kept on the disk of them", median(&mut kept), "", Goal::None);
    report.figure("events that the disk did not take", median(&mut lost), "", Goal::None);
    Ok(())
}

/// What a routed message tells of, the most frequent of all.
fn event(who: usize, number: u64) -> Draft {
    let draft = Draft::new(Name::MessageRouted, "message routed writer \u{2192} reader").swarm("bench");
    let draft = draft.with("from", if who == 0 { "writer" } else { "other" }).with("to", "reader");
    draft.with_preview("content_preview", &format!("message number {number} of a swarm that is busy"))
}

fn open(directory: &Path) -> io::Result<Arc<Hub>> {
    let home = Home::create(directory).map_err(io::Error::other)?;
    let disk = RealDisk::open(&home, DIRECTORY).map_err(io::Error::other)?;
    let opened = Hub::open(Box::new(disk), Settings::default(), Arc::new(SystemClock));
    opened.map(|(hub, _)| hub).map_err(io::Error::other)
}

/// How many events there are to be read.
fn count(hub: &Hub) -> io::Result<usize> {
    let (mut all, mut since) = (0, 0);
    loop {
        let query = Query { filter: Filter::default(), since: Some(since), most: 10_000 };
        let page = hub.page(&query).map_err(|why| io::Error::other(format!("{why:?}")))?;
        if page.events.is_empty() {
            return Ok(all);
        }
        (all, since) = (all + page.events.len(), page.next);
    }
}

/// A directory on the disk of this checkout (a temporary one may be in memory), removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(at: usize) -> io::Result<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        let path = target.join(format!("events-{}-{at}", std::process::id()));
        Home::create(&path).map_err(io::Error::other)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
