use super::super::{WitnessKey, trust};
use super::*;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as Client};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A witness of no log, served in a thread of its own until it is dropped.
struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Served {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = WitnessKey::create("witness.example/w1", &folder.path().join("key"));
        let witness = Witness::open(folder.path(), key.expect("a key"), trust::Trusted::new());
        let witness = Arc::new(witness.expect("opened"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("not blocking");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let stop = async { drop(stopped.await) };
                serve_until(stop, listener, witness, limits).await;
            });
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
            _folder: folder,
        }
    }

    fn connect(&self) -> Client {
        let client = Client::connect_timeout(&self.address, PATIENCE).expect("connected");
        client.set_read_timeout(Some(PATIENCE)).expect("a bound");
        client.set_write_timeout(Some(PATIENCE)).expect("a bound");
        client
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: w\r\n\r\n";

/// Whether a request is answered; false if the connection is closed instead.
fn is_answered(client: &mut Client) -> bool {
    let mut first = [0];
    let asked = client.write_all(GET).and_then(|()| client.read(&mut first));
    match asked {
        Ok(count) => count == 1,
        Err(error) => {
            let blocked = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!blocked, "nothing happens");
            false
        }
    }
}

/// It once kept its place for ever.
#[test]
fn a_client_that_asks_and_never_reads_is_cut_off() {
    let served = Served::new(Limits {
        connections: 1,
        per_address: 1,
        life: Duration::from_millis(100),
    });
    let mut greedy = served.connect();
    let requests = GET.repeat(1000);
    let cut = loop {
        if let Err(error) = greedy.write_all(&requests) {
            break error.kind();
        }
    };
    let blocked = matches!(cut, ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!blocked, "its place is never free");
    // The one place there is may be free a moment later.
    let start = std::time::Instant::now();
    while !is_answered(&mut served.connect()) {
        assert!(start.elapsed() < PATIENCE, "its place is not free");
    }
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let served = Served::new(Limits {
        connections: 8,
        per_address: 2,
        life: PATIENCE,
    });
    let mut held = [served.connect(), served.connect()];
    assert!(held.iter_mut().all(is_answered));
    assert!(!is_answered(&mut served.connect()));
    drop(held);
    let start = std::time::Instant::now();
    while !is_answered(&mut served.connect()) {
        assert!(start.elapsed() < PATIENCE, "their places are not free");
    }
}

#[test]
fn an_ipv6_network_is_one_client_and_nobody_is_remembered_who_has_left() {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let mut crowd = Crowd::new(1);
    let first = crowd.enter(address("2001:db8::1")).expect("room");
    assert!(crowd.enter(address("2001:db8::ffff:2")).is_none());
    let other = crowd
        .enter(address("2001:db8:0:1::1"))
        .expect("another network");
    let v4 = crowd.enter(address("::ffff:10.0.0.1")).expect("room");
    assert!(crowd.enter(address("10.0.0.1")).is_none());
    drop((first, other, v4));
    let last = crowd.enter(address("10.0.0.1")).expect("room again");
    assert_eq!(crowd.places.len(), 1);
    drop(last);
}
