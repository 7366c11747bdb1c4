using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests.Groups;

public sealed class CommonConsentTests
{
    private readonly ManualTime _time = new();
    private int _recorded;

    private CommonConsent Of(int members, Exception? failure = null) => new(members, () =>
    {
        _recorded++;
        return failure is null ? Task.CompletedTask : Task.FromException(failure);
    }, _time);

    private Task<bool> AskAsync(Consent member) => member.IsGivenAsync(_time.GetUtcNow(), CancellationToken.None);

    [Fact]
    public async Task It_is_given_when_the_last_has_decided_and_what_is_to_be_done_is_written_down_first()
    {
        var consent = Of(3);
        var (a, b, c) = (consent.OfMember(), consent.OfMember(), consent.OfMember());
        var first = AskAsync(a);
        b.IsNotNeeded();
        Assert.False(first.IsCompleted);
        Assert.Equal(0, _recorded);
        Assert.True(await AskAsync(c));
        Assert.True(await first);
        Assert.Equal(1, _recorded);
        // Who does something in several steps waits for nobody any more.
        Assert.True(await AskAsync(a));
        a.IsNotNeeded();
        Assert.Equal(1, _recorded);
    }

    [Fact]
    public async Task Where_one_is_refused_the_others_are_held_back_but_not_before_all_have_decided()
    {
        var consent = Of(3);
        var (a, b, c) = (consent.OfMember(), consent.OfMember(), consent.OfMember());
        var first = AskAsync(a);
        b.IsRefused();
        Assert.False(first.IsCompleted);
        var last = AskAsync(c);
        Assert.Same(consent.HeldBack, await Assert.ThrowsAsync<ReplicationException>(() => first));
        Assert.Same(consent.HeldBack, await Assert.ThrowsAsync<ReplicationException>(() => last));
        Assert.Equal(0, _recorded);
    }

    [Fact]
    public async Task Where_the_first_decision_has_grown_old_all_look_again()
    {
        var consent = Of(2);
        var (a, b) = (consent.OfMember(), consent.OfMember());
        var first = AskAsync(a);
        _time.Advance(Sighting.Lifetime);
        Assert.False(await AskAsync(b));
        Assert.False(await first);
        Assert.Equal(0, _recorded);
        first = AskAsync(a);
        Assert.False(first.IsCompleted);
        Assert.True(await AskAsync(b));
        Assert.True(await first);
        Assert.Equal(1, _recorded);
    }

    [Fact]
    public async Task What_does_not_grow_old_waits_for_any_time()
    {
        var consent = Of(2);
        var (a, b) = (consent.OfMember(), consent.OfMember());
        var first = a.IsGivenAsync(Consent.Lasting, CancellationToken.None);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.True(await AskAsync(b));
        Assert.True(await first);
    }

    [Fact]
    public async Task One_that_was_cut_short_while_it_waited_holds_the_others_back()
    {
        var consent = Of(2);
        var (a, b) = (consent.OfMember(), consent.OfMember());
        using var cut = new CancellationTokenSource();
        var first = a.IsGivenAsync(_time.GetUtcNow(), cut.Token);
        await cut.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        a.IsRefused();
        Assert.Same(consent.HeldBack, await Assert.ThrowsAsync<ReplicationException>(() => AskAsync(b)));
    }

    [Fact]
    public async Task What_cannot_be_written_down_is_not_begun()
    {
        var failure = new ReplicationException(ReplicationError.Busy, "busy");
        var consent = Of(1, failure);
        Assert.Same(failure, await Assert.ThrowsAsync<ReplicationException>(() => AskAsync(consent.OfMember())));
    }

    [Fact]
    public void Where_nobody_does_anything_nothing_is_written_down()
    {
        var consent = Of(2);
        consent.OfMember().IsNotNeeded();
        consent.OfMember().IsNotNeeded();
        Assert.Equal(0, _recorded);
    }
}
