//! Golden tiles, bundles and frontiers.

use super::support::{Nodes, assert_golden, frozen, text, vectors};
use medanchor_ledger::Size;
use medanchor_ledger::merkle::bundle::{BundleId, append_entry, read_entries};
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_ledger::merkle::{Frontier, leaf_hash, root_of_leaves};

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

fn nodes(size: u64) -> Nodes {
    let mut nodes = Nodes::default();
    (0..size).for_each(|number| nodes.append(&entry(number)));
    nodes
}

#[test]
fn tiles_bundles_and_frontiers_are_frozen() {
    for size in [0, 1, 5, 256, 300] {
        let frontier = nodes(size).frontier;
        assert_golden(
            &format!("tiles/good-frontier-of-{size}.bin"),
            &frontier.encode(),
        );
        let paths = TileId::grown(Size(0), Size(size)).map(|tile| format!("{tile}\n"));
        let bundles = BundleId::grown(Size(0), Size(size)).map(|bundle| format!("{bundle}\n"));
        let paths: String = paths.chain(bundles).collect();
        assert_golden(&format!("tiles/good-paths-of-{size}.txt"), paths.as_bytes());
    }
    let tree = nodes(300);
    for path in ["tile/0/001.p/44", "tile/1/000.p/1"] {
        let tile = Tile::read(path.parse().unwrap(), &tree).unwrap().encode();
        let name = path.replace('/', "-");
        assert_golden(&format!("tiles/good-{name}.bin"), &tile);
    }
    let mut bundle = Vec::new();
    (256..300).for_each(|number| append_entry(&mut bundle, &entry(number)).unwrap());
    assert_golden("tiles/good-tile-entries-001.p-44.bin", &bundle);
    let paths = "tile/0/000\ntile/63/x123/456.p/255\ntile/1/x001/x234/067\ntile/entries/999.p/1\n";
    assert_golden("tiles/good-paths.txt", paths.as_bytes());
}

#[test]
fn a_bundle_hashes_to_the_tile_beside_it() {
    let bundle = frozen("tiles/good-tile-entries-001.p-44.bin");
    let id: BundleId = "tile/entries/001.p/44".parse().unwrap();
    let leaves: Vec<_> = read_entries(id, &bundle)
        .unwrap()
        .into_iter()
        .map(leaf_hash)
        .collect();
    let tile = frozen("tiles/good-tile-0-001.p-44.bin");
    let tile = Tile::decode("tile/0/001.p/44".parse().unwrap(), &tile).unwrap();
    assert_eq!(tile.hashes(), leaves);
    let frontier = Frontier::decode(&frozen("tiles/good-frontier-of-300.bin")).unwrap();
    let all = (0..300).map(|number| leaf_hash(&entry(number)));
    assert_eq!(frontier.root(), root_of_leaves(all));
}

#[test]
fn golden_paths_are_read_as_their_names_say() {
    let read = |path: &str| {
        let tile = path.parse::<TileId>().map(|tile| tile.to_string());
        tile.or_else(|_| path.parse::<BundleId>().map(|bundle| bundle.to_string()))
    };
    for (name, bytes) in vectors("tiles", "good-paths") {
        for path in text(&bytes).lines() {
            assert_eq!(read(path).as_deref(), Ok(path), "{name}");
        }
    }
    for path in text(&frozen("tiles/rejected-paths.txt")).lines() {
        assert!(read(path).is_err(), "{path}");
    }
}

#[test]
fn malformed_tiles_bundles_and_frontiers_are_refused_by_name() {
    let paths = "\ntile\n/tile/0/000\ntile/0/0\ntile/0/000/\ntile/0/x000/001\ntile/0/001/002\n\
        tile/0/x001/x002\ntile/00/000\ntile/64/000\ntile/0/000.p/0\ntile/0/000.p/256\n\
        tile/0/000.p/01\ntile/entries/0\ntile/entries/000.p/256\ntile/data/000\n../tile/0/000\n";
    assert_golden("tiles/rejected-paths.txt", paths.as_bytes());
    let tile = frozen("tiles/good-tile-0-001.p-44.bin");
    let bundle = frozen("tiles/good-tile-entries-001.p-44.bin");
    let frontier = frozen("tiles/good-frontier-of-300.bin");
    let mut overlong = bundle.clone();
    overlong[0] = 0xff;
    for (name, bytes) in [
        ("tile-short", tile[..tile.len() - 1].to_vec()),
        ("tile-one-hash-less", tile[..tile.len() - 32].to_vec()),
        ("tile-trailing-byte", [&tile[..], &[0]].concat()),
        ("bundle-short", bundle[..bundle.len() - 1].to_vec()),
        (
            "bundle-one-entry-less",
            bundle[..bundle.len() - 11].to_vec(),
        ),
        ("bundle-trailing-entry", [&bundle[..], &[0, 0]].concat()),
        ("bundle-overlong-entry", overlong),
        ("frontier-short", frontier[..frontier.len() - 1].to_vec()),
        ("frontier-trailing-hash", [&frontier[..], &[0; 32]].concat()),
        ("frontier-size-above-2-to-the-62", [0xff; 8].to_vec()),
    ] {
        assert_golden(&format!("tiles/rejected-{name}.bin"), &bytes);
        let refused = match name.split('-').next().unwrap() {
            "tile" => Tile::decode("tile/0/001.p/44".parse().unwrap(), &bytes).is_err(),
            "bundle" => read_entries("tile/entries/001.p/44".parse().unwrap(), &bytes).is_err(),
            _ => Frontier::decode(&bytes).is_err(),
        };
        assert!(refused, "{name}");
    }
}
