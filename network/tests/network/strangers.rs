//! The attacker of ENGINE.md, section Strangers: it completes the handshake with a key that nobody
//! listed, then stays silent, or speaks. It is cut, is told nothing and moves nothing.

use crate::support::{NETWORK, Net, Setup, peer_key, until};
use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::upgrade::Version;
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent, dummy};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, Transport, noise, tcp, yamux};
use medanchor_network::{PeerKey, SecretSeed, Timeouts};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// A network that has decided a little, and idles for as long as nobody wakes it.
async fn idle_network() -> Net {
    let timeouts = Timeouts {
        heartbeat: Duration::from_secs(3600),
        ..Timeouts::wide()
    };
    let net = Net::start(Setup {
        timeouts,
        ..Setup::new(4)
    })
    .await;
    net.drive(0..4, 3).await;
    until("it idles", || {
        let idle = |n: u8| net.members[n as usize].handle().status().idle;
        (0..4).all(idle) && (0..4).all(|n| !net.chain(n).pool.lock().unwrap().iter().any(|_| true))
    })
    .await;
    net
}

fn attacker<B: NetworkBehaviour>(behaviour: B) -> Swarm<B> {
    let keypair = libp2p::identity::Keypair::generate_ed25519();
    let transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(3600));
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

fn dial<B: NetworkBehaviour>(swarm: &mut Swarm<B>, victim: PeerKey, address: SocketAddr) {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(victim.as_bytes()).unwrap();
    let address =
        Multiaddr::from(address.ip()).with(libp2p::multiaddr::Protocol::Tcp(address.port()));
    let options = DialOpts::peer_id(PeerId::from_public_key(&key.into())).addresses(vec![address]);
    swarm.dial(options.build()).unwrap();
}

/// Everything is as it was: the same height, the same peers, nothing delivered.
fn untouched(net: &Net, height: u64) {
    for n in 0..4u8 {
        let status = net.members[n as usize].handle().status();
        assert!(status.idle && status.height.0 == height, "v{n} was woken");
        assert!(net.chain(n).seen().cosignatures.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_completes_the_handshake_and_stays_silent_is_cut() {
    let net = idle_network().await;
    let height = net.chain(0).height();
    let mut swarm = attacker(dummy::Behaviour);
    dial(&mut swarm, peer_key(0), net.members[0].handle().listening());
    let mut cut = false;
    let bounded = tokio::time::timeout(Duration::from_secs(60), async {
        while !cut {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionClosed { .. } => cut = true,
                // It may be cut before the dialling side has finished.
                SwarmEvent::OutgoingConnectionError { .. } => cut = true,
                _ => {}
            }
        }
    });
    bounded.await.expect("the stranger is cut");
    until("it is counted", || {
        net.members[0].handle().status().refused == 1
    })
    .await;
    untouched(&net, height);
    net.end().await;
}

/// Says one thing on a stream and takes down what comes back.
#[derive(Clone, Copy, Default)]
struct Speak;

#[async_trait::async_trait]
impl request_response::Codec for Speak {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Bytes>
    where
        T: futures::AsyncRead + Unpin + Send,
    {
        let mut heard = vec![0];
        stream.read_exact(&mut heard).await?;
        Ok(heard.into())
    }

    async fn read_response<T>(&mut self, p: &StreamProtocol, stream: &mut T) -> io::Result<Bytes>
    where
        T: futures::AsyncRead + Unpin + Send,
    {
        self.read_request(p, stream).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        said: Bytes,
    ) -> io::Result<()>
    where
        T: futures::AsyncWrite + Unpin + Send,
    {
        stream.write_all(&said).await?;
        stream.flush().await
    }

    async fn write_response<T>(
        &mut self,
        p: &StreamProtocol,
        stream: &mut T,
        said: Bytes,
    ) -> io::Result<()>
    where
        T: futures::AsyncWrite + Unpin + Send,
    {
        self.write_request(p, stream, said).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_speaks_every_protocol_is_not_heard_and_not_answered() {
    let net = idle_network().await;
    let height = net.chain(0).height();
    // A wake for the next height, an event, a cosignature, and a request for decided blocks.
    let wake = [&[0, 0, 0, 8, 4][..], &(height + 1).to_be_bytes()].concat();
    let event = [&[0, 0, 0, 8, 7][..], &[0, 0, 0, 4], b"junk"].concat();
    let cosignature = [&[0, 0, 0, 4, 8][..], b"junk"].concat();
    let request = [&[0, 0, 0, 16][..], &1u64.to_be_bytes(), &2u64.to_be_bytes()].concat();
    let attacks = [
        ("consensus", wake),
        ("events", event),
        ("cosignatures", cosignature),
        ("sync", request),
    ];
    for (name, said) in attacks {
        let protocol = StreamProtocol::try_from_owned(format!("/medanchor/{NETWORK}/{name}/1"));
        let protocols = [(protocol.unwrap(), ProtocolSupport::Full)];
        let behaviour =
            request_response::Behaviour::with_codec(Speak, protocols, Default::default());
        let mut swarm = attacker(behaviour);
        let victim = peer_key(0);
        dial(&mut swarm, victim, net.members[0].handle().listening());
        let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(victim.as_bytes()).unwrap();
        let id = PeerId::from_public_key(&key.into());
        swarm.behaviour_mut().send_request(&id, Bytes::from(said));
        let bounded = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionClosed { .. }
                    | SwarmEvent::OutgoingConnectionError { .. } => break,
                    SwarmEvent::Behaviour(request_response::Event::Message { message, .. }) => {
                        let (Message::Request { .. } | Message::Response { .. }) = message;
                        panic!("the stranger was told something by {name}");
                    }
                    _ => {}
                }
            }
        });
        bounded.await.expect("the stranger is cut");
    }
    untouched(&net, height);
    assert!(
        net.chain(0)
            .seen()
            .events
            .iter()
            .all(|(_, event)| event != "junk")
    );
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_client_that_sends_nothing_or_garbage_is_cut() {
    let net = idle_network().await;
    let height = net.chain(0).height();
    for said in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64]] {
        let mut stream = TcpStream::connect(net.members[0].handle().listening())
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, said)
            .await
            .unwrap();
        let mut heard = Vec::new();
        let read = stream.read_to_end(&mut heard);
        // Closed or reset, either ends the reading.
        let _ = tokio::time::timeout(Duration::from_secs(60), read)
            .await
            .expect("it is cut");
        assert!(
            heard.len() < 64,
            "no more than the name of the handshake was said"
        );
    }
    untouched(&net, height);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_network_is_not_spoken_with() {
    let mut net = Net::prepare(&Setup::new(2));
    net.members[1].config.network_id = medanchor_ledger::NetworkId::new([9; 16]);
    net.run(0).await;
    net.run(1).await;
    until("one has cut the other", || {
        let cut = |member: &crate::support::Member| member.handle().status().peers[0].cut > 0;
        net.members.iter().any(cut)
    })
    .await;
    for member in &net.members {
        assert!(
            member
                .handle()
                .status()
                .peers
                .iter()
                .all(|peer| !peer.connected)
        );
        assert_eq!(member.chain.height(), 0);
    }
    net.end().await;
}

#[test]
fn a_peer_key_is_not_a_consensus_key() {
    let setup = Setup::new(1);
    let mut config = Net::prepare(&setup).members.remove(0).config;
    assert!(config.check().is_ok());
    let consensus = config.consensus.as_mut().unwrap();
    consensus.seed = SecretSeed::new([1; 32]);
    assert!(config.check().is_err());
}
