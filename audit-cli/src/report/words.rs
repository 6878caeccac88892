//! The words of a report, in Chinese and in English.
//!
//! What always holds: both languages have every text. A type of event, a role or a reason that has no
//! Chinese name here is shown by its code.

use crate::language::Language;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $en:literal, $zh:literal;)*) => {
        /// The texts of a report.
        pub(crate) struct Words {
            pub(crate) language: Language,
            $($(#[$doc])* pub(crate) $name: &'static str,)*
        }

        const ENGLISH: Words = Words { language: Language::En, $($name: $en,)* };
        const CHINESE: Words = Words { language: Language::Zh, $($name: $zh,)* };

        #[cfg(test)]
        const PAIRS: &[(&str, &str)] = &[$(($en, $zh),)*];
    };
}

words! {
    tag: "en", "zh-CN";
    title: "Ledger report", "账本审计报告";
    rests: "What this report rests on", "本报告的依据";
    verified: "The program that wrote this report recomputed every entry, hash, signature, certificate, rule outcome and block seal up to the checkpoint below. Cosignatures, and what is measured by them, are those that the node kept: each was checked, but a node can leave some out. No other figure is the word of a node.",
        "本报告由审计程序生成：检查点以内的每一条目、哈希、签名、共识证书、规则结果与区块封印均已重新计算。共同签署及据其统计的数字，以节点所保存者为限：每一签署均经核验，但节点可能有所遗漏；其余数字不依赖任何节点的陈述。";
    network: "Network", "网络";
    genesis: "Genesis hash", "创世文件哈希";
    checkpoint: "Checkpoint", "检查点";
    root: "Root", "根哈希";
    entries: "entries", "条目";
    cosigned_by: "Cosigned by", "共同签署方";
    of_validators: "validators, quorum", "个验证者，法定数";
    period: "Period", "统计期间";
    whole_log: "the whole log", "全部账本";
    clock: "Clock", "时区";
    to: "to", "至";
    beginning: "the beginning", "起始";
    now: "the checkpoint", "检查点";
    events: "events", "事件";
    blocks: "blocks", "区块";
    active: "institutions with events", "有事件的机构";
    requests: "requests for access", "访问请求";
    denied_share: "of them denied", "其中被拒绝";
    break_glass: "break-glass", "紧急访问";
    break_glass_title: "Break-glass", "紧急访问";
    stop: ".", "。";
    longest_gap: "longest time without a block", "最长无区块间隔";
    none: "none", "无";
    volume_time: "Volume over time", "业务量趋势";
    volume_time_note: "Events by domain. Each column is", "按业务域统计的事件数。每柱为";
    volume_institution: "Volume by institution", "各机构业务量";
    volume_kind: "Events by institution and type", "机构与事件类型明细";
    institution: "Institution", "机构";
    roles: "Roles", "角色";
    total: "Total", "合计";
    kind: "Type", "类型";
    accesses: "Requests for access", "访问请求";
    accesses_note: "Every request is decided by the rules at its place in the log, and both outcomes are kept. Each column is",
        "每一请求均由规则在其账本位置上裁定，许可与拒绝均予保留。每柱为";
    permitted: "permitted", "许可";
    denied: "denied", "拒绝";
    reasons: "Why requests were denied", "拒绝原因";
    reason: "Reason", "原因";
    by_requester: "Requests by institution", "各机构的请求";
    share: "Denied, %", "拒绝率 %";
    break_glass_none: "Nothing was opened without a consent, or asked for without one: every access that was permitted had a consent that the rules found to stand.",
        "本期间无未经同意的启封或请求：凡获许可的访问，均有经规则核实有效的同意。";
    break_glass_asked: "break-glass, permitted or denied", "紧急访问（许可或拒绝）";
    break_glass_reviews: "reviews given", "已作出的复核";
    emergencies: "opened by an owner's emergency key", "由所有方应急密钥启封";
    reviews_none: "Every opening without a consent, in the whole log, has its review.", "全部账本中未经同意的启封均已复核。";
    reviews_waiting: "opened without a consent and not reviewed, in the whole log", "全部账本中未经同意启封且尚未复核";
    reviews_not_listed: "not listed, as many more", "未列出，另有条数";
    reviews_late: "reviews that came late, in the whole log", "全部账本中逾期作出的复核";
    reviews_not_justified: "found not justified, in the whole log", "全部账本中经复核认定为不当";
    review: "Review", "复核";
    review_open: "not reviewed", "未复核";
    review_overdue: "overdue", "逾期未复核";
    review_due: "Due", "复核期限";
    record_of: "Record of", "记录所有方";
    opened: "Opened", "启封时间";
    entry: "Entry", "条目序号";
    request: "Request", "请求";
    latency: "From block to quorum", "从出块到法定数签署";
    latency_note: "Time from a block's own time to the cosignature that completed its quorum, in whole seconds, as the signers' clocks say. The ledger does not say when an application posted an event.",
        "自区块时间至凑足法定数的共同签署之间的时间，以整秒计，依签署方时钟。账本不记录应用提交事件的时刻。";
    latency_missing: "This log publishes no cosignatures beside the checkpoint's own, so there is nothing to measure.",
        "该账本除检查点外未公布其他共同签署，无从统计。";
    measured: "Measured", "样本数";
    median: "half within", "半数不超过";
    p95: "95% within", "95% 不超过";
    p99: "99% within", "99% 不超过";
    p95_to_quorum: "to a quorum's cosignature, 95% within", "出块至法定数签署，95% 不超过";
    longest: "longest", "最长";
    seconds: "seconds", "秒";
    interval: "From block to block", "区块间隔";
    interval_note: "An idle network makes a block at most every ten seconds or so, and at once when there is work.",
        "空闲网络约每十秒至多产生一个区块，有业务时立即出块。";
    gaps: "Gaps", "间断";
    gaps_note: "Activity of each institution: a darker cell has more events, an empty one none. Each cell is",
        "各机构活动情况：颜色越深事件越多，空白为无事件。每格为";
    gaps_blocks: "Longest times without a block", "最长的无区块间隔";
    since: "Since", "起始时间";
    length: "Length", "时长";
    ended_by: "Ended by height", "结束于高度";
    silence: "Longest silence", "最长静默";
    last_event: "Last event", "最后事件";
    never: "never", "从未";
    validators: "Validators", "验证者";
    validators_note: "A block first built in a later round says that the proposer before was not in time. A node keeps the cosignatures that completed a quorum first: whoever is a little slower stands in few of them and may be well.",
        "在后续轮次中首次构建的区块，表明此前的提议者未能按时出块。节点保存最先凑足法定数的签署：稍慢的验证者出现较少，未必异常。";
    built: "Blocks built", "构建区块";
    in_quorums_kept: "In quorums kept", "所在法定数组次数";
    later_rounds: "Blocks built in a later round", "后续轮次构建的区块";
    empty_blocks: "Blocks without events", "无事件区块";
    limits: "What this report does not show", "本报告不说明的事项";
    limit_other_log: "That no other log was signed for this network: witnesses and other copies are how that comes to light.",
        "不能说明该网络不存在另一份经签署的账本：这需由见证方与其他副本核对。";
    limit_content: "What the sealed documents say. The ledger holds commitments and handles only.",
        "不涉及加密文档的内容。账本仅保存承诺值与句柄。";
    limit_outside: "What never came to the ledger: refused events other than requests for access, and whatever an institution did not anchor.",
        "不涉及未进入账本的事项：除访问请求外被拒绝的事件，以及机构未锚定的业务。";
    limit_clock: "Exact times: a block's time is agreed by the validators, within two seconds of their clocks.",
        "时间并非绝对精确：区块时间由验证者共同认定，与其时钟相差不超过两秒。";
    nothing: "Nothing in this period.", "本期间无数据。";
    written: "Written", "生成时间";
}

/// The texts in a language.
pub(crate) const fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Zh => &CHINESE,
    }
}

/// Codes and their Chinese names.
const CHINESE_NAMES: [(&str, &str); 62] = [
    ("governance", "网络治理"),
    ("record", "病历记录"),
    ("custody", "密钥托管"),
    ("consent", "同意"),
    ("access", "访问"),
    ("emergency", "应急"),
    ("prescription", "处方"),
    ("unit", "追溯单元"),
    ("inspection", "抽查"),
    ("governance.propose", "变更提议"),
    ("governance.approve", "变更批准"),
    ("record.seal", "记录封存"),
    ("record.custody", "记录托管封存"),
    ("record.supersede", "记录更新"),
    ("record.erase", "记录销毁"),
    ("record.reshare", "密钥份额重分"),
    ("custody.log", "释放日志状态"),
    ("consent.grant", "授予同意"),
    ("consent.revoke", "撤回同意"),
    ("consent.end", "患者终止同意"),
    ("access.request", "访问请求"),
    ("access.break-glass", "紧急访问（破窗）"),
    ("access.review", "紧急访问复核"),
    ("access.emergency", "应急启封"),
    ("emergency.journal", "应急日志状态"),
    ("prescription.issue", "处方开具"),
    ("prescription.redeem", "处方核销"),
    ("prescription.void", "处方作废"),
    ("lot.open", "批次建立"),
    ("unit.commission", "赋码"),
    ("unit.ship", "发货"),
    ("unit.receive", "收货"),
    ("unit.dispense", "发药"),
    ("inspection.key", "抽查密钥登记"),
    ("inspection.population", "抽查总体固定"),
    ("inspection.open", "抽查立项"),
    ("inspection.output", "随机数公布"),
    ("inspection.answer", "抽查答复"),
    ("hospital", "医院"),
    ("pharmacy", "药店"),
    ("manufacturer", "生产企业"),
    ("distributor", "流通企业"),
    ("regulator", "监管机构"),
    ("custodian", "托管机构"),
    ("access.unknown-record", "记录不存在"),
    ("access.unknown-consent", "同意不存在"),
    ("access.consent-revoked", "同意已撤回"),
    ("access.consent-not-yet-valid", "同意尚未生效"),
    ("access.consent-expired", "同意已过期"),
    ("access.tag-not-covered", "同意不含该索引标签"),
    ("access.class-not-covered", "同意不含该数据类别"),
    ("access.purpose-not-covered", "同意不含该用途"),
    ("access.not-a-grantee", "请求方非被授权方"),
    ("access.record-erased", "记录已销毁"),
    ("second", "秒"),
    ("seconds", "秒"),
    ("minute", "分钟"),
    ("minutes", "分钟"),
    ("hour", "小时"),
    ("hours", "小时"),
    ("day", "天"),
    ("days", "天"),
];

impl Words {
    /// A code of the ledger in this language.
    pub(crate) fn name<'c>(&self, code: &'c str) -> &'c str {
        match self.language {
            Language::En => code,
            Language::Zh => CHINESE_NAMES
                .iter()
                .find(|(known, _)| *known == code)
                .map_or(code, |(_, name)| name),
        }
    }

    /// A length of time in its largest whole unit, as `15 minutes`.
    pub(crate) fn width(&self, millis: i64) -> String {
        let seconds = millis / 1000;
        let (count, one, many) = match seconds {
            0..60 => (seconds, "second", "seconds"),
            60..3600 => (seconds / 60, "minute", "minutes"),
            3600..86_400 => (seconds / 3600, "hour", "hours"),
            _ => (seconds / 86_400, "day", "days"),
        };
        let unit = self.name(if count == 1 { one } else { many });
        format!("{count} {unit}")
    }

    /// A duration for people: `340 ms`, `12.5 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`.
    pub(crate) fn duration(&self, millis: u64) -> String {
        let seconds = millis / 1000;
        match seconds {
            0 => format!("{millis} ms"),
            1..60 => format!("{}.{} s", seconds, millis % 1000 / 100),
            60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
            3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
            _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::event::EventKind;
    use medanchor_ledger::rules::{DenialReason, Role};

    #[test]
    fn every_text_is_there_twice_and_differs() {
        for (english, chinese) in PAIRS {
            assert!(!english.is_empty() && !chinese.is_empty());
            assert_ne!(english, chinese);
        }
    }

    #[test]
    fn every_code_of_the_rules_has_a_chinese_name() {
        let kinds = EventKind::ALL.iter().map(|kind| kind.name());
        let domains = EventKind::ALL
            .iter()
            .map(|kind| super::super::gather::domain(kind.name()));
        let reasons = DenialReason::ALL.iter().map(|reason| reason.as_str());
        let roles = Role::ALL.iter().map(|role| role.as_str());
        for code in kinds.chain(domains).chain(reasons).chain(roles) {
            assert_ne!(CHINESE.name(code), code, "{code} has no Chinese name");
            assert_eq!(ENGLISH.name(code), code);
        }
    }

    #[test]
    fn durations_read_well() {
        let shown = [340, 12_560, 200_000, 7_500_000, 273_600_000].map(|at| ENGLISH.duration(at));
        assert_eq!(
            shown,
            ["340 ms", "12.5 s", "3 min 20 s", "2 h 05 min", "3 d 4 h"]
        );
        assert_eq!(ENGLISH.width(60_000), "1 minute");
        assert_eq!(CHINESE.width(21_600_000), "6 小时");
    }
}
