//! Intervals, addresses and networks, infinite days and moments, and averages as floats.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use nestling::{
    ErrorKind, Manager, Model, Value, create_tables, params,
    types::{Interval, MaybeInfinite, Network},
};

use crate::harness::Backend;

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "host")]
struct Host {
    id: i64,
    #[model(unique)]
    address: IpAddr,
    network: Option<Network>,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "lease")]
struct Lease {
    id: i64,
    renewed: Interval,
    until: MaybeInfinite<DateTime<Utc>>,
    day: Option<MaybeInfinite<NaiveDate>>,
}

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

test_on! { every_backend;

/// rule 73
async fn addresses_and_networks_come_back_as_they_went(backend) {
    let objects = Manager::new(backend.db.clone());
    create_tables(&objects, &[Host::TABLE]).await.unwrap();
    let hosts = [
        (IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)), Some(network("10.0.0.1/8"))),
        (IpAddr::from(Ipv6Addr::LOCALHOST), Some(network("2001:db8::/32"))),
        (IpAddr::from(Ipv4Addr::BROADCAST), None),
    ];
    for (address, network) in hosts {
        let host = objects.create([Host::ADDRESS.set(address), Host::NETWORK.set(network)]).await.unwrap();
        assert_eq!((host.address, host.network), (address, network));
        assert_eq!(objects.get::<Host>(Host::ADDRESS.eq(address)).await.unwrap(), host);
    }
    let all = hosts.map(|(address, _)| address);
    assert_eq!(objects.count(Host::select().filter(Host::ADDRESS.in_(all))).await.unwrap(), 3);
    let row = objects.query_one("select network, address from host where id = 1", ()).await.unwrap();
    let error = row.get::<IpAddr>(0).unwrap_err();
    assert!(error.to_string().ends_with("does not fit into IpAddr"), "a network is no address: {error}");
    assert_eq!(row.get::<Network>(1).unwrap(), network("10.0.0.1"));
}

/// rule 73
async fn an_average_is_read_as_a_float(backend) {
    let row = backend.db.query_one("select avg(n) as a, sum(n) / 4.0 as b from (select 1 as n union all select 2 union all select 2) x", ()).await;
    let row = row.unwrap();
    let average = row.get::<f64>("a").unwrap();
    assert!((average - 5.0 / 3.0).abs() < 1e-3, "MySQL has four digits: {average}");
    assert_eq!(row.get::<Option<f64>>("b").unwrap(), Some(1.25));
}

}

/// rule 73
#[tokio::test]
#[cfg_attr(not(feature = "postgres"), ignore = "needs a server: tests/run.sh")]
async fn intervals_are_read_with_their_parts_or_as_durations() {
    let db = Backend::postgres().await.db;
    let sql = "select interval '1 year 2 months -3 days 04:05:06.5' as parts, interval '2 days 00:00:01' as time,
               interval '-1 hour' as back, interval '1 month' as month, null::interval as nothing,
               array[interval '1 day', interval '1 microsecond'] as several";
    let row = db.query_one(sql, ()).await.unwrap();
    let parts = Interval { months: 14, days: -3, microseconds: 14_706_500_000 };
    assert_eq!(row.get::<Interval>("parts").unwrap(), parts);
    assert_eq!(row.get::<Duration>("time").unwrap(), Duration::from_secs(2 * 86_400 + 1));
    assert_eq!(row.get::<TimeDelta>("back").unwrap(), TimeDelta::hours(-1));
    assert_eq!(row.get::<Option<Interval>>("nothing").unwrap(), None);
    let several: Vec<TimeDelta> = row.get("several").unwrap();
    assert_eq!(several, [TimeDelta::days(1), TimeDelta::microseconds(1)]);
    for error in [row.get::<Duration>("back").unwrap_err(), row.get::<TimeDelta>("month").unwrap_err()] {
        assert!(error.to_string().contains("does not fit into"), "{error}");
    }
    let same =
        db.query_one("select $1::interval = $2::interval", params![parts, row.get::<Value>("parts").unwrap()]).await;
    assert!(same.unwrap().get::<bool>(0).unwrap());
}

/// rule 73
#[tokio::test]
#[cfg_attr(not(feature = "postgres"), ignore = "needs a server: tests/run.sh")]
async fn infinite_days_and_moments_have_a_type() {
    let objects = Manager::new(Backend::postgres().await.db);
    create_tables(&objects, &[Lease::TABLE]).await.unwrap();
    let interval = Interval { months: 0, days: 1, microseconds: 0 };
    let now = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
    for (until, day) in [
        (MaybeInfinite::Infinity, Some(MaybeInfinite::NegInfinity)),
        (MaybeInfinite::Finite(now), Some(MaybeInfinite::Finite(now.date_naive()))),
        (MaybeInfinite::NegInfinity, None),
    ] {
        let lease =
            objects.create([Lease::RENEWED.set(interval), Lease::UNTIL.set(until), Lease::DAY.set(day)]).await.unwrap();
        assert_eq!((lease.renewed, lease.until, lease.day), (interval, until, day));
    }
    let endless = Lease::select().filter(Lease::UNTIL.eq(MaybeInfinite::Infinity));
    assert_eq!(objects.count(endless).await.unwrap(), 1);
    let row = objects.query_one("select 'infinity'::timestamp as at, '-infinity'::date as day", ()).await.unwrap();
    assert_eq!(row.get::<NaiveDateTime>("at").unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(row.get::<MaybeInfinite<NaiveDateTime>>("at").unwrap(), MaybeInfinite::Infinity);
    assert_eq!(row.get::<Value>("day").unwrap(), Value::from("-infinity"));
}
