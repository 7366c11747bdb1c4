using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests;

public sealed class RecentChangesTests
{
    private const string Volume = "2a8e6b5e-5f5d-4c29-8cf0-5c1a3b1f9d11";

    private static readonly TimeSpan MaximumAge = TimeSpan.FromSeconds(5);

    private readonly ManualTime _time = new();
    private readonly RecentChanges _changes;

    public RecentChangesTests() => _changes = new(MaximumAge, _time);

    [Fact]
    public void What_was_read_before_or_while_a_volume_is_changed_does_not_count()
    {
        var before = At(0);
        var change = _changes.Begin(Volume);
        var meanwhile = At(1);
        Assert.False(_changes.IsUnchangedSince(Volume, before));
        Assert.False(_changes.IsUnchangedSince(Volume, meanwhile));
        change.Dispose();
        Assert.False(_changes.IsUnchangedSince(Volume, before));
        Assert.False(_changes.IsUnchangedSince(Volume, meanwhile));
        Assert.True(_changes.IsUnchangedSince(Volume, At(1)));
    }

    [Fact]
    public void What_is_read_from_the_very_moment_of_the_end_does_not_count()
    {
        _changes.Begin(Volume).Dispose();
        Assert.False(_changes.IsUnchangedSince(Volume, At(0)));
    }

    [Fact]
    public void A_change_of_one_volume_is_none_of_another()
    {
        var begun = At(0);
        using var change = _changes.Begin(Volume);
        Assert.True(_changes.IsUnchangedSince(Guid.NewGuid().ToString(), begun));
        Assert.False(_changes.IsUnchangedSince(Volume.ToUpperInvariant(), At(1)));
    }

    [Fact]
    public void Of_two_changes_both_have_to_end()
    {
        var first = _changes.Begin(Volume);
        var second = _changes.Begin(Volume);
        first.Dispose();
        first.Dispose();
        Assert.False(_changes.IsUnchangedSince(Volume, At(1)));
        second.Dispose();
        Assert.True(_changes.IsUnchangedSince(Volume, At(1)));
    }

    [Fact]
    public void A_change_is_forgotten_when_no_reading_from_before_is_used_any_more()
    {
        using var running = _changes.Begin("running");
        var before = At(0);
        _changes.Begin(Volume).Dispose();
        _time.Advance(MaximumAge);
        _changes.Begin("another").Dispose();
        Assert.False(_changes.IsUnchangedSince(Volume, before));
        _time.Advance(TimeSpan.FromTicks(1));
        _changes.Begin("another").Dispose();
        Assert.Equal(2, _changes.Count);
        _time.Advance(MaximumAge * 2);
        _changes.Begin(Volume).Dispose();
        Assert.False(_changes.IsUnchangedSince("running", At(1)));
        Assert.False(_changes.IsUnchangedSince(Volume, before));
        Assert.Equal(2, _changes.Count);
    }

    private long At(int secondsLater)
    {
        _time.Advance(TimeSpan.FromSeconds(secondsLater));
        return _time.GetTimestamp();
    }
}
