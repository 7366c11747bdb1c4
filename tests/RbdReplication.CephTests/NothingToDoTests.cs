using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>What is read of an image without opening it is what librbd tells of it.</summary>
public sealed class NothingToDoTests(TwoSites sites)
{
    [Fact]
    public async Task What_is_stored_of_an_image_is_what_librbd_tells_of_it_through_enabling_moves_a_disaster_and_disabling()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await AgreeAsync(sites.A, volume, isEnabled: false, isPrimary: false);
        await volume.ProtectAsync(sites.A, sites.B);
        await AgreeAsync(sites.A, volume, isEnabled: true, isPrimary: true);
        await AgreeAsync(sites.B, volume, isEnabled: true, isPrimary: false);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "it is demoted");
        await AgreeAsync(sites.A, volume, isEnabled: true, isPrimary: false);
        await AgreeAsync(sites.B, volume, isEnabled: true, isPrimary: false);
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "it is promoted");
        await AgreeAsync(sites.B, volume, isEnabled: true, isPrimary: true);
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.A, force: true), "it is promoted by force");
        await AgreeAsync(sites.A, volume, isEnabled: true, isPrimary: true);
        await AgreeAsync(sites.B, volume, isEnabled: true, isPrimary: true);
        await TestVolume.RetryAsync(() => volume.DisableAsync(sites.A), "it is disabled");
        await AgreeAsync(sites.A, volume, isEnabled: false, isPrimary: false);
        Assert.Null(await StoredMirroring.ReadAsync(sites.A.Pool, "no-such-image", CancellationToken.None));
    }

    [Fact]
    public async Task An_image_in_journal_mode_is_none_that_is_told_of_without_opening_it()
    {
        var volume = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.Journaling);
        await volume.EnableAsync(sites.A, "journal");
        await using var image = await volume.OpenAsync(sites.A);
        var stored = (await StoredMirroring.ReadAsync(sites.A.Pool, image.GetId(), CancellationToken.None))!;
        Assert.Equal((MirrorImageState.Enabled, MirrorImageMode.Journal), (stored.State, stored.Mode));
        Assert.False(NothingToDo.IsEnabled(stored, image.GetId()) || NothingToDo.IsPrimary(stored, image.GetId()) || NothingToDo.IsDisabled(stored, image.GetId()));
    }

    // Mirror daemons change images meanwhile.
    private static Task AgreeAsync(Site site, TestVolume volume, bool isEnabled, bool isPrimary) => Eventually.TrueAsync(
        async () =>
        {
            await using var image = await volume.OpenAsync(site);
            var (id, info) = (image.GetId(), await image.Mirroring.GetInfoAsync(CancellationToken.None));
            var stored = (await StoredMirroring.ReadAsync(volume.PoolAt(site), id, CancellationToken.None))!;
            return (info.State == MirrorImageState.Enabled, info.IsPrimary) == (isEnabled, isPrimary)
                && stored.State == info.State && stored.Image.Features == await image.GetFeaturesAsync(CancellationToken.None)
                && (NothingToDo.IsEnabled(stored, id), NothingToDo.IsPrimary(stored, id), NothingToDo.IsDisabled(stored, id)) == (isEnabled, isPrimary, !isEnabled);
        }, $"both tell the same of {volume.ImageName} at {site}: {(isEnabled ? isPrimary ? "primary" : "secondary" : "not mirrored")}");
}
