use super::*;

/// The refusal stood in memory alone when the power went: the event was posted again, and anchored, after the
/// application had been told that it never would be.
#[test]
fn what_was_refused_is_not_posted_again_after_a_crash() {
    let stage = Stage::new();
    let sdk = stage.sdk("hospital");
    let review = said_once().into_iter().find_map(|body| match body {
        EventBody::AccessReview(review) => Some(review),
        _ => None,
    });
    let mut review = review.unwrap();
    sdk.anchor(sdk.sign(review.clone()).unwrap()).unwrap();
    review.verdict = Verdict::NotJustified;
    let refused = sdk.anchor(sdk.sign(review).unwrap()).unwrap_err();
    assert!(matches!(refused, AnchorError::Refused(_)), "{refused}");
    let journal = stage.root.path().join("hospital/journal");
    let left = std::fs::read(&journal).unwrap();
    drop(sdk);
    std::fs::write(&journal, left).unwrap();
    stage.node.lock().unwrap().by_subject.clear();
    assert!(stage.sdk("hospital").resume().is_empty());
}

#[test]
fn what_is_given_up_leaves_the_journal_also_when_it_was_signed_anew() {
    let stage = Stage::new();
    stage.node.lock().unwrap().delay = usize::MAX;
    let sdk = stage.sdk("hospital");
    let stays = sdk.revoke("stays").unwrap();
    sdk.anchor(stays.clone()).unwrap_err();
    let error = sdk.anchor_or_abandon(sdk.revoke("given up").unwrap());
    assert!(matches!(error, Err(AnchorError::Waiting { .. })));
    let renewed = sdk.renewed(&stays).unwrap().unwrap();
    let pending = |sdk: &Sdk| -> Vec<EventId> {
        let all = sdk.unsettled().into_iter();
        all.map(|one| one.id).collect()
    };
    assert_eq!(pending(&sdk), [renewed.id()]);
    sdk.abandon(&stays.id()).unwrap();
    drop(sdk);
    assert!(stage.sdk("hospital").resume().is_empty());
}
