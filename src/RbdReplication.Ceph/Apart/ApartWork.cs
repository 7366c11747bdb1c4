namespace RbdReplication.Ceph;

/// <summary>What librbd may end a process by, and an <see cref="ApartProcess"/> is there for.</summary>
/// <param name="Argument">The one argument with which the executable does that and nothing else.</param>
/// <param name="Function">The C function that may end it, for traces and failures.</param>
/// <param name="Thing">What one order is for, in words.</param>
internal sealed record ApartWork(string Argument, string Function, string Thing)
{
    /// <summary>Mirror snapshots of single images, several at once.</summary>
    public static readonly ApartWork MirrorSnapshots = new("take-mirror-snapshots", "rbd_aio_mirror_image_create_snapshot", "mirror snapshot");

    /// <summary>Generations of groups, see <see cref="GenerationTaking"/>. Apart from those, since whoever writes waits where it ends in the middle.</summary>
    public static readonly ApartWork Generations = new("take-generations", "rbd_snap_create2", "generation");

    private static readonly ApartWork[] All = [MirrorSnapshots, Generations];

    /// <summary>Whether these are the arguments of such a process.</summary>
    public static bool IsAskedFor(string[] arguments) => arguments is [var argument] && All.Any(work => work.Argument == argument);
}
