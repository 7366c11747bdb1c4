using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;
using RbdReplication.Tests.VolumeMetrics;

namespace RbdReplication.Tests.Fleet;

public sealed class LastListingsTests
{
    private readonly ManualTime _time = new();
    private readonly LastListings _listings;

    public LastListingsTests() => _listings = new LastListings(Listed.Interval, _time);

    private static MirroredVolume Lagging(int? seconds) => Listed.Volume("a") is var volume
        ? volume with { Status = volume.Status with { Lag = seconds is { } some ? TimeSpan.FromSeconds(some) : null } }
        : throw new InvalidOperationException();

    private IReadOnlyList<int?> History() => _listings.LagOfLastHour(_listings.ListAll()[0], Lagging(0).Status, _time.GetUtcNow());

    private void Put(MirroredVolume volume) => _listings.Put(Listed.Pool, Listed.At(_time.GetUtcNow(), volume));

    [Fact]
    public void The_last_hour_has_the_largest_lag_of_each_minute_and_gaps_where_nothing_was_reported()
    {
        Put(Lagging(10));
        Put(Lagging(30));
        Put(Lagging(20));
        _time.Jump(TimeSpan.FromMinutes(1));
        Put(Lagging(null));
        _time.Jump(TimeSpan.FromMinutes(2));
        Put(Lagging(7));
        Assert.Equal([30, null, null, 7], History().Skip(56));
        Assert.All(History().Take(56), Assert.Null);
    }

    [Fact]
    public void What_is_older_than_an_hour_is_gone_however_much_came_since()
    {
        for (var minute = 0; minute < 200; minute++)
        {
            Put(Lagging(minute));
            _time.Jump(TimeSpan.FromMinutes(1));
        }
        Assert.Equal([.. Enumerable.Range(141, 59), null], History());
        _time.Jump(TimeSpan.FromHours(3));
        Assert.All(History(), Assert.Null);
        Put(Lagging(5));
        Assert.Equal([5], History().OfType<int>());
    }

    [Fact]
    public void A_volume_that_is_not_listed_any_more_has_no_history_when_it_comes_back()
    {
        Put(Lagging(10));
        Put(Listed.Volume("b"));
        Put(Lagging(20));
        Assert.Equal([20], History().OfType<int>());
    }

    [Fact]
    public void A_failure_keeps_the_last_listing_and_tells_since_when_and_why()
    {
        Put(Lagging(10));
        var listing = _listings.ListAll()[0].Listing;
        var since = _time.GetUtcNow();
        _listings.Fail(Listed.Pool, "first");
        _time.Jump(TimeSpan.FromMinutes(1));
        _listings.Fail(Listed.Pool, "second");
        var reading = Assert.Single(_listings.ListAll());
        Assert.Equal((listing, "second", since), (reading.Listing, reading.Problem, reading.FailingSince));
        Assert.Equal([10], History().OfType<int>());
        var version = _listings.Version;
        _listings.Fail(Listed.Pool, "second");
        Assert.Equal(version, _listings.Version);
        Put(Lagging(10));
        Assert.Null(_listings.ListAll()[0].Problem);
        Assert.NotEqual(version, _listings.Version);
        Assert.True(_listings.Keep([]));
        Assert.Empty(_listings.ListAll());
    }

    [Fact]
    public void The_instant_of_a_copy_is_remembered_while_its_daemon_finds_no_peer_and_forgotten_when_the_role_changes()
    {
        var told = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
        MirroredVolume Copy(ImageRole role, FailoverSafety failover) => Lagging(0) is var volume
            ? volume with { Status = volume.Status with { Role = role, Failover = failover } }
            : throw new InvalidOperationException();
        FailoverSafety Now() => _listings.ListAll()[0].Listing!.Volumes[0].Status.Failover;

        Put(Copy(ImageRole.Secondary, new(true, told, "")));
        Put(Copy(ImageRole.Secondary, new(null, null, "this site is about to follow")));
        Put(Copy(ImageRole.Secondary, new(null, null, "this site is about to follow")));
        Assert.Equal((true, told), (Now().IsSafe, Now().Instant));
        Assert.EndsWith("this site is about to follow", Now().Reason, StringComparison.Ordinal);
        Put(Copy(ImageRole.Secondary, new(false, null, "split-brain")));
        Assert.False(Now().IsSafe);
        Put(Copy(ImageRole.Secondary, new(true, told, "")));
        Put(Copy(ImageRole.Primary, new(null, null, "")));
        Put(Copy(ImageRole.Secondary, new(null, null, "")));
        Assert.Null(Now().IsSafe);
    }
}
