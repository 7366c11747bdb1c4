using System.Reflection;

namespace RbdReplication.Csi;

/// <summary>Version of this program.</summary>
internal static class ProductVersion
{
    /// <summary>As it was built, for example <c>0.1.0</c>.</summary>
    public static string Text { get; } =
        typeof(ProductVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
