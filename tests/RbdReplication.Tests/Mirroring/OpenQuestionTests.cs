using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests.Mirroring;

public sealed class OpenQuestionTests
{
    private static readonly VolumeHandle Volume = new("site-a", 2, "0c23de1c-18fb-11eb-a903-0242ac110005");

    private readonly ManualTime _time = new();
    private readonly OpenQuestions _questions;

    public OpenQuestionTests() => _questions = new OpenQuestions(_time);

    [Fact]
    public void A_question_that_is_repeated_keeps_the_time_of_its_first()
    {
        var first = Ask(WantedRole.Primary);
        // The controller doubles its pauses.
        foreach (var pause in (int[])[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000])
        {
            _time.Advance(TimeSpan.FromSeconds(pause));
            Assert.Equal(first, Ask(WantedRole.Primary));
        }
    }

    [Fact]
    public void Another_role_takes_its_place_and_so_does_an_image_that_shows_something_else()
    {
        var first = Ask(WantedRole.Primary);
        _time.Advance(TimeSpan.FromSeconds(10));
        var second = Ask(WantedRole.Secondary);
        Assert.NotEqual(first, second);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.NotEqual(first, Ask(WantedRole.Primary));
        _time.Advance(TimeSpan.FromSeconds(10));
        var copy = Ask(WantedRole.Primary, Snapshot(4, MirrorSnapshotState.NonPrimary));
        _time.Advance(TimeSpan.FromSeconds(10));
        // Copies come and go.
        Assert.Equal(copy, Ask(WantedRole.Primary, Snapshot(5, MirrorSnapshotState.NonPrimary)));
        Assert.NotEqual(copy, Ask(WantedRole.Primary, Snapshot(6, MirrorSnapshotState.NonPrimaryDemoted)));
    }

    [Fact]
    public void The_snapshots_of_a_primary_come_and_go_without_making_another_question()
    {
        var first = Ask(WantedRole.Secondary, Snapshot(4, MirrorSnapshotState.NonPrimaryDemoted), Snapshot(5, MirrorSnapshotState.Primary));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(first, Ask(WantedRole.Secondary, Snapshot(6, MirrorSnapshotState.Primary)));
    }

    [Fact]
    public void One_who_gave_up_and_comes_back_asks_again()
    {
        var first = Ask(WantedRole.Primary);
        for (var i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            Assert.Equal(first, Ask(WantedRole.Primary));
        }
        _time.Advance(TimeSpan.FromSeconds(61));
        var second = Ask(WantedRole.Primary);
        Assert.NotEqual(first, second);
    }

    [Fact]
    public void One_who_asks_rarely_is_recognised_by_the_second_pause()
    {
        var first = Ask(WantedRole.Primary);
        _time.Advance(TimeSpan.FromSeconds(900));
        var second = Ask(WantedRole.Primary);
        Assert.NotEqual(first, second);
        _time.Advance(TimeSpan.FromSeconds(900));
        Assert.Equal(second, Ask(WantedRole.Primary));
        _time.Advance(TimeSpan.FromMinutes(21));
        Assert.NotEqual(second, Ask(WantedRole.Primary));
    }

    [Fact]
    public void A_change_that_was_made_and_one_that_is_not_wanted_any_more_end_it()
    {
        var first = Ask(WantedRole.Primary);
        _time.Advance(TimeSpan.FromSeconds(1));
        _questions.Withdraw(Volume, WantedRole.Secondary);
        Assert.Equal(first, Ask(WantedRole.Primary));
        _questions.Withdraw(Volume, WantedRole.Primary);
        var second = Ask(WantedRole.Primary);
        Assert.NotEqual(first, second);
        _time.Advance(TimeSpan.FromSeconds(1));
        _questions.Settle(Volume);
        Assert.NotEqual(second, Ask(WantedRole.Primary));
    }

    [Fact]
    public void What_was_seen_of_the_image_as_primary_is_known_after_its_demotion_whoever_asks()
    {
        Ask(WantedRole.Secondary, Snapshot(4, MirrorSnapshotState.Primary));
        var demoted = new MirrorSnapshot(5, MirrorSnapshotState.PrimaryDemoted, true, "", MirrorSnapshot.NoSnapshot, [], 0, _time.GetUtcNow());
        foreach (var wanted in (WantedRole[])[WantedRole.Secondary, WantedRole.Primary, WantedRole.Secondary])
            Assert.Equal(4ul, _questions.Ask(Volume, wanted, "image", Seen(demoted)).Seen.AsPrimary?.Chain.Newest?.Id);
        _questions.Settle(Volume);
        Assert.Null(_questions.Ask(Volume, WantedRole.Secondary, "image", Seen(demoted)).Seen.AsPrimary);
    }

    private DateTimeOffset Ask(WantedRole wanted, params MirrorSnapshot[] snapshots) =>
        _questions.Ask(Volume, wanted, "image", Seen(snapshots)).Question.FirstAsked;

    private Sighting Seen(params MirrorSnapshot[] snapshots) =>
        new(new ImageHistory(new MirrorChain(snapshots), null), null, new PeerStatus(PeerRole.Silent, "site-b", null), [], HasPeers: true, _time.GetUtcNow());

    private static MirrorSnapshot Snapshot(ulong id, MirrorSnapshotState state) =>
        new(id, state, true, "x", 1, [], 0, DateTimeOffset.UnixEpoch);
}
