using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>Generations that do not come to their end: whoever writes goes on, and no set is taken for one that is not.</summary>
[Collection("Faults")]
public sealed class GenerationFaultTests(TwoSites sites) : IAsyncLifetime
{
    private readonly string _group = Guid.NewGuid().ToString();
    private OtherClient _server = null!;
    private int _number;

    private static CancellationToken None => CancellationToken.None;

    // Its own connection, so that its process is nobody else's.
    public async ValueTask InitializeAsync() => _server = await OtherClient.ConnectAsync(sites.A);

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private string NewName() => $"rbd-replication.{_group}.{++_number}";

    private async Task<GenerationOutcome> TakeAsync(MemberImages members, string name, TimeSpan? maximumHold = null) =>
        await GenerationTaking.TakeAsync(_server.Pool, await members.IdsAsync(sites.A), name, maximumHold ?? MemberImages.AmpleHold, None);

    // Each with a number of its own, as serve takes them.
    private async Task<string> SucceedsAsync(MemberImages members)
    {
        var name = "";
        await Eventually.TrueAsync(async () => (await TakeAsync(members, name = NewName())).Result == GenerationResult.Taken, "a generation is taken");
        return name;
    }

    [Fact]
    public async Task A_client_that_does_not_give_its_lock_back_keeps_no_other_member_waiting_for_longer_than_allowed()
    {
        var members = await MemberImages.CreateAsync(sites.A, 3);
        using var frozen = await FrozenWriter.StartAsync(sites.A, members.Volumes[2]);
        await using var writer = await GroupWriter.StartAsync(sites.A, members.Volumes.Take(2));
        var outcome = await TakeAsync(members, NewName(), TimeSpan.FromSeconds(2));
        Assert.Equal(GenerationResult.HeldTooLong, outcome.Result);
        Assert.Equal((await members.IdsAsync(sites.A))[2], outcome.ImageId);
        Assert.All(await members.NamesAsync(sites.A), Assert.Empty);
        await writer.GoesOnAsync();
        // It is still waited for, and nobody else for it.
        var next = await TakeAsync(members, NewName());
        Assert.Equal((GenerationResult.Failed, Errno.EBUSY, outcome.ImageId), (next.Result, next.Failure!.Errno, next.ImageId));
        await writer.GoesOnAsync();
        await frozen.ResumeAsync();
        var name = await SucceedsAsync(members);
        MemberImages.AssertOneInstant((await members.NumbersAsync(sites.A, writer, name))[..2]);
    }

    [Fact]
    public async Task A_process_that_is_killed_inside_the_barrier_leaves_no_set_and_whoever_writes_goes_on()
    {
        var members = await MemberImages.CreateAsync(sites.A, 3);
        using var frozen = await FrozenWriter.StartAsync(sites.A, members.Volumes[2]);
        await using var writer = await GroupWriter.StartAsync(sites.A, members.Volumes.Take(2));
        var before = GenerationProcesses.Of(Environment.ProcessId);
        var name = NewName();
        var taking = TakeAsync(members, name);
        await HeldAsync(members, writer);
        GenerationProcesses.Kill(Assert.Single(GenerationProcesses.Of(Environment.ProcessId).Except(before)));
        var outcome = await taking;
        Assert.Equal((GenerationResult.Failed, Errno.EBUSY), (outcome.Result, outcome.Failure!.Errno));
        Assert.Contains("the process that took the generation ended with status 137", outcome.Failure.Detail, StringComparison.Ordinal);
        await frozen.ResumeAsync();
        await writer.GoesOnAsync();
        Assert.All(await members.NamesAsync(sites.A), names => Assert.DoesNotContain(name, names));
        var next = await SucceedsAsync(members);
        MemberImages.AssertOneInstant((await members.NumbersAsync(sites.A, writer, next))[..2]);
        Assert.All(await members.NamesAsync(sites.A), names => Assert.DoesNotContain(name, names));
    }

    [Fact]
    public async Task An_image_that_is_removed_in_the_middle_is_named_and_no_set_is_left()
    {
        var members = await MemberImages.CreateUnmirroredAsync(sites.A, 3);
        using var frozen = await FrozenWriter.StartAsync(sites.A, members.Volumes[2]);
        await using var writer = await GroupWriter.StartAsync(sites.A, members.Volumes.Take(1));
        var removed = (await members.IdsAsync(sites.A))[1];
        var name = NewName();
        var taking = TakeAsync(members, name);
        await HeldAsync(members, writer);
        await sites.A.RadosAsync("-p", TwoSites.Pool, "rm", "rbd_header." + removed);
        await frozen.ResumeAsync();
        var outcome = await taking;
        Assert.Equal((GenerationResult.Failed, removed, Errno.ENOENT), (outcome.Result, outcome.ImageId, outcome.Failure!.Errno));
        await writer.GoesOnAsync();
        var left = new MemberImages([members.Volumes[0], members.Volumes[2]]);
        Assert.All(await left.NamesAsync(sites.A), names => Assert.DoesNotContain(name, names));
        // What is left of it.
        await RbdImage.RemoveAsync(sites.A.Pool, members.Volumes[1].ImageName, None);
    }

    [Fact]
    public async Task A_barrier_that_is_cancelled_lets_everybody_go_on()
    {
        var members = await MemberImages.CreateUnmirroredAsync(sites.A, 3);
        using var frozen = await FrozenWriter.StartAsync(sites.A, members.Volumes[2]);
        await using var writer = await GroupWriter.StartAsync(sites.A, members.Volumes.Take(2));
        var images = await Task.WhenAll(members.Volumes.Select(volume => _server.OpenAsync(volume.ImageName)));
        var address = (await images[0].ListWatchersAsync(None)).Single(watcher => watcher.ClientId == (long)_server.Pool.Cluster.InstanceId).Address;
        using var cancelled = new CancellationTokenSource();
        Dictionary<RbdImage, Task> hanging = [];
        var reaching = GroupBarrier.RunAsync(images, address, image => image.Snapshots.CreateAsync("x", None), MemberImages.AmpleHold, hanging, cancelled.Token);
        await HeldAsync(members, writer);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reaching);
        Assert.Equal([images[2]], hanging.Keys);
        await writer.GoesOnAsync();
        await frozen.ResumeAsync();
        await hanging[images[2]];
        foreach (var image in images)
            await image.DisposeAsync();
        Assert.All(await members.NamesAsync(sites.A), Assert.Empty);
    }

    // The lock of the first member is in other hands.
    private async Task HeldAsync(MemberImages members, GroupWriter writer)
    {
        await using var image = await members.Volumes[0].OpenAsync(sites.A, readOnly: false);
        await Eventually.TrueAsync(async () => await image.Lock.ListOwnersAsync(None) is [var owner] && owner != writer.Address, "the writer is held");
    }
}
