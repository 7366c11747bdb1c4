using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>
/// The replication info from a reading of the pool is the one that opening the image gives, in every state that a volume can be in; where the reading
/// cannot tell, the image is opened. Both are asked for at the same moment and compared field by field, message included.
/// </summary>
public sealed class SharedReadingTests(TwoSites sites)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_answer_is_the_same_through_the_life_of_a_volume(bool inTenant)
    {
        await using var a = new BothWays(sites.A);
        await using var b = new BothWays(sites.B);
        var volume = await TestVolume.CreateAsync(sites.A, inTenant);
        await ExpectAsync(a, volume, InfoSource.NotListed, "FailedPrecondition replication is not enabled");
        await volume.EnableAsync(sites.A);
        await ExpectAsync(a, volume, null, "");
        await volume.PromoteAsync(sites.A);
        await volume.AwaitCopyAsync(sites.B);
        await volume.WriteAsync(sites.A, 0, new byte[4096]);
        await volume.TakeSnapshotAsync(sites.A);
        await Eventually.TrueAsync(async () => (await ExpectAsync(a, volume, null, "")).Contains("no snapshot schedule", StringComparison.Ordinal), "it has synced");
        await volume.PromoteAsync(sites.A, interval: "5m");
        await Eventually.TrueAsync(async () => (await ExpectAsync(a, volume, InfoSource.Reading, "")).StartsWith("OK Healthy 20", StringComparison.Ordinal), "it is healthy");

        var late = new AheadTime(TimeSpan.FromMinutes(4));
        await using (var later = new BothWays(sites.A, late))
            await ExpectAsync(later, volume, InfoSource.Reading, "OK Degraded", "reports are late");

        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await ExpectAsync(a, volume, InfoSource.NotPrimary, "FailedPrecondition", "it is secondary at this site");
        await ExpectAsync(b, volume, InfoSource.NotPrimary, "FailedPrecondition");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        await ExpectAsync(b, volume, null, "");
        await ExpectAsync(a, volume, InfoSource.NotPrimary, "FailedPrecondition");
        await TestVolume.RetryAsync(() => volume.DisableAsync(sites.B), "site-b lets it go");
        await ExpectAsync(b, volume, InfoSource.NotListed, "FailedPrecondition replication is not enabled");
        await Eventually.TrueAsync(async () => await a.AskAsync(volume) is (InfoSource.NotListed, ['N', 'o', 't', 'F', ..]), "the copy is removed");
    }

    [Fact]
    public async Task It_is_the_same_for_what_was_never_there_and_for_what_is_gone()
    {
        await using var a = new BothWays(sites.A);
        await ExpectAsync(a, TestVolume.At(sites.A, Guid.NewGuid().ToString()), InfoSource.NotListed, "NotFound");
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        using var shared = a.Share();
        await shared.ReadAsync(sites.A.Pool, sites.A.Credentials);
        // The reading still has it.
        await RbdImage.RemoveAsync(sites.A.Pool, volume.ImageName, CancellationToken.None);
        Assert.StartsWith("NotFound", await shared.AnswerAsync(volume), StringComparison.Ordinal);
        Assert.Equal([InfoSource.NotListed], shared.Sources);
        await ExpectAsync(a, volume, InfoSource.NotListed, "NotFound");
        await sites.A.Pool.WriteAsync("csi.volume." + volume.Handle.Uuid, new ObjectWrite().Remove(), CancellationToken.None);
        await ExpectAsync(a, volume, InfoSource.NotListed, "NotFound");
    }

    [Fact]
    public async Task It_is_the_same_for_two_primaries_and_for_a_split_brain()
    {
        await using var a = new BothWays(sites.A);
        await using var b = new BothWays(sites.B);
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.PromoteByToolAsync(sites.B, force: true);
        await volume.WriteAsync(sites.A, 0, [7]);
        await UntilAsync(a, volume, "both sites are primary");
        await UntilAsync(b, volume, "site-a reports");
        await volume.DemoteByToolAsync(sites.A);
        await ExpectAsync(a, volume, InfoSource.NotPrimary, "FailedPrecondition");
        await UntilAsync(b, volume, "OK Error", "split-brain");
    }

    [Fact]
    public async Task It_is_the_same_right_after_a_move_by_another_tool()
    {
        await using var a = new BothWays(sites.A);
        await using var b = new BothWays(sites.B);
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        using var shared = a.Share();
        await shared.ReadAsync(sites.A.Pool, sites.A.Credentials);
        await volume.DemoteByToolAsync(sites.A);
        // The statuses of the reading still say that it is primary, and so do those of the daemon for a while.
        Assert.StartsWith("FailedPrecondition", await shared.AnswerAsync(volume), StringComparison.Ordinal);
        Assert.Equal([InfoSource.NotPrimary], shared.Sources);
        await ExpectAsync(a, volume, InfoSource.NotPrimary, "FailedPrecondition");
        await TestVolume.RetryAsync(() => volume.PromoteByToolAsync(sites.B, force: false), "site-b is promoted");
        await ExpectAsync(b, volume, null, "");
        await ExpectAsync(a, volume, InfoSource.NotPrimary, "FailedPrecondition");
    }

    [Fact]
    public async Task It_is_the_same_in_journal_mode()
    {
        await using var a = new BothWays(sites.A);
        await using var b = new BothWays(sites.B);
        var volume = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        await volume.EnableAsync(sites.A, "journal");
        await ExpectAsync(a, volume, InfoSource.Journal, "");
        await volume.PromoteAsync(sites.A);
        await volume.AwaitReplayAsync(sites.B);
        await ExpectAsync(a, volume, InfoSource.Journal, "");
        await ExpectAsync(b, volume, InfoSource.Journal, "FailedPrecondition");
    }

    [Fact]
    public async Task It_is_the_same_for_the_member_of_a_group()
    {
        await using var a = new BothWays(sites.A);
        var group = await ReplicatedGroup.ProtectAsync(sites, 2);
        foreach (var volume in group.Volumes)
            await ExpectAsync(a, volume, null, "");
    }

    [Fact]
    public async Task It_is_the_same_in_a_pool_without_a_peer_and_in_one_that_is_removed_and_another_pool_is_read_on()
    {
        await using var a = new BothWays(sites.A);
        var elsewhere = await TestVolume.CreateAsync(sites.A);
        await elsewhere.ProtectAsync(sites.A, sites.B);
        TestVolume volume;
        RadosPool pool;
        await using (var own = await OwnPool.CreateAsync(sites.A))
        {
            pool = own.Pool;
            volume = await TestVolume.CreateAsync(sites.A, pool);
            await volume.EnableAsync(sites.A);
            await ExpectAsync(a, volume, InfoSource.NotReported, "OK Error", "no peer that copies from this site");
        }
        Assert.DoesNotContain("OK", (await a.AskAsync(volume)).Text, StringComparison.Ordinal);
        await UntilAsync(a, elsewhere, "");
    }

    [Fact]
    public async Task Statuses_that_cannot_be_read_are_told_of_their_volume_alone()
    {
        await using var a = new BothWays(sites.A);
        await using var own = await OwnPool.CreateAsync(sites.A);
        var (sick, well) = (await TestVolume.CreateAsync(sites.A, own.Pool), await TestVolume.CreateAsync(sites.A, own.Pool));
        await Task.WhenAll(sick.EnableAsync(sites.A), well.EnableAsync(sites.A));
        var id = (await sick.InfoAsync(sites.A)).GlobalId;
        await own.Pool.WriteAsync("rbd_mirroring", new ObjectWrite().SetOmap("status_global_" + id, "x"), CancellationToken.None);
        await ExpectAsync(a, sick, InfoSource.NotReported, "Unexpected");
        await ExpectAsync(a, well, InfoSource.NotReported, "OK Error", "no peer that copies from this site");
    }

    [Fact]
    public async Task Credentials_without_rights_get_nothing_of_what_others_have_read()
    {
        await using var a = new BothWays(sites.A);
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var key = (await sites.A.CephAsync("auth", "get-or-create-key", "client.blind", "mon", "profile rbd", "osd", "profile rbd pool=otherpool")).Trim();
        var blind = CephCredentials.FromSecrets(new Dictionary<string, string> { [CephCredentials.UserField] = "blind", [CephCredentials.KeyField] = key });
        using var shared = a.Share();
        await UntilAsync(a, volume, "");
        await shared.ReadAsync(sites.A.Pool, sites.A.Credentials);
        Assert.StartsWith("AccessDenied", await BothWays.AnswerAsync(shared.Replication, new VolumeRequest(volume.Handle, blind)), StringComparison.Ordinal);
        Assert.StartsWith("AccessDenied", (await a.AskAsync(volume, blind)).Text, StringComparison.Ordinal);
        await shared.AnswerAsync(volume);
        Assert.Equal([InfoSource.NoReading, InfoSource.Reading], shared.Sources);
    }

    [Fact]
    public async Task What_calls_of_the_same_server_change_is_known_at_once()
    {
        await using var a = new BothWays(sites.A);
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await UntilAsync(a, volume, "");
        var request = new VolumeRequest(volume.Handle, sites.A.Credentials);
        using var shared = a.Share();
        await shared.ReadAsync(sites.A.Pool, sites.A.Credentials);
        await shared.AnswerAsync(volume);
        await TestVolume.RetryAsync(() => shared.Replication.DemoteAsync(request, force: false, CancellationToken.None), "site-a is demoted");
        Assert.StartsWith("FailedPrecondition", await shared.AnswerAsync(volume), StringComparison.Ordinal);
        Assert.Equal([InfoSource.Reading, InfoSource.Changed], shared.Sources);
    }

    [Fact]
    public async Task What_another_tool_changes_is_known_when_the_reading_is_too_old()
    {
        await using var a = new BothWays(sites.A);
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        using var shared = a.Share(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(
            async () =>
            {
                await shared.ReadAsync(sites.A.Pool, sites.A.Credentials);
                await shared.AnswerAsync(volume);
                return shared.Sources[^1] == InfoSource.Reading;
            }, "it is answered from a reading");
        await volume.DemoteByToolAsync(sites.A);
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.StartsWith("FailedPrecondition", await shared.AnswerAsync(volume), StringComparison.Ordinal);
    }

    private static async Task<string> ExpectAsync(BothWays ways, TestVolume volume, InfoSource? source, params string[] words)
    {
        var (from, text) = await ways.AskAsync(volume);
        // Null: some site may not have reported yet.
        Assert.True(from == source || (source is null && from is InfoSource.Reading or InfoSource.NotReported), $"{from}: {text}");
        Assert.StartsWith(words[0], text, StringComparison.Ordinal);
        Assert.All(words, word => Assert.Contains(word, text, StringComparison.Ordinal));
        return text;
    }

    private static Task UntilAsync(BothWays ways, TestVolume volume, params string[] words) => Eventually.TrueAsync(
        async () => await ways.AskAsync(volume) is (InfoSource.Reading, var text) && words.All(word => text.Contains(word, StringComparison.Ordinal)), string.Join(" ", words));

    private sealed class AheadTime(TimeSpan ahead) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + ahead;
    }
}
