using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Status of mirrored images, from the C structures of mirroring.</summary>
internal static unsafe class MirrorImageStatus
{
    public static MirrorImageInfo InfoOf(MirrorImageInfoLayout info) =>
        new(NativeText.Read(info.GlobalId), (MirrorImageState)info.State, info.Primary != 0);

    public static MirrorGlobalStatus GlobalOf(MirrorGlobalStatusLayout status)
    {
        var sites = new MirrorSiteStatus[status.SiteStatusesCount];
        for (var i = 0; i < sites.Length; i++)
        {
            var site = status.SiteStatuses[i];
            sites[i] = new MirrorSiteStatus(
                NativeText.Read(site.MirrorUuid), (MirrorStatusState)site.State, NativeText.Read(site.Description),
                DateTimeOffset.FromUnixTimeSeconds(site.LastUpdate), site.Up != 0);
        }
        return new MirrorGlobalStatus(NativeText.Read(status.Name), InfoOf(status.Info), sites);
    }
}
